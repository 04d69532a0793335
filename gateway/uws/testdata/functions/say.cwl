cwlVersion: v1.2
class: CommandLineTool
id: say
label: Say what the parameters are
doc: Writes its parameters, one a line, and the file after them.
$namespaces: {fringe: "urn:fringe:ns#"}
hints:
  fringe:Function: {version: 1.0.0, environment: plain}
fringe:example: {text: hello, number: 3}
baseCommand: [sh, -c, 'for a; do echo "$a"; done; [ -z "$FILE" ] || cat "$FILE"', say]
requirements:
  InlineJavascriptRequirement: {}
  EnvVarRequirement:
    envDef: {FILE: '$(inputs.file ? inputs.file.path : "")'}
inputs:
  text: {type: string, doc: Any text, inputBinding: {position: 1}}
  number: {type: int, default: 1, doc: Any number, "fringe:unit": arcsec, "fringe:minimum": 0, inputBinding: {position: 2}}
  real: {type: double?, inputBinding: {position: 3}}
  flag: {type: boolean?, inputBinding: {position: 4, prefix: --flag}}
  kind: {type: ["null", {type: enum, symbols: [one, two]}], inputBinding: {position: 5}}
  list: {type: "string[]?", inputBinding: {position: 6, prefix: --list}}
  file: {type: File?}
stdout: said.txt
outputs:
  length: {type: int, outputBinding: {glob: said.txt, loadContents: true, outputEval: "$(self[0].contents.length)"}}
  said: {type: stdout, doc: What was said}
