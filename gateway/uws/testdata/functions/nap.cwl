cwlVersion: v1.2
class: CommandLineTool
id: nap
label: Sleep for a while
$namespaces: {fringe: "urn:fringe:ns#"}
hints:
  fringe:Function: {version: 1.0.0, environment: plain}
baseCommand: sleep
inputs:
  seconds: {type: double, inputBinding: {}}
outputs: []
