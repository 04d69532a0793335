cwlVersion: v1.2
class: CommandLineTool
id: fail
label: Fail with a reason
$namespaces: {fringe: "urn:fringe:ns#"}
hints:
  fringe:Function: {version: 1.0.0, environment: plain}
baseCommand: [sh, -c, 'echo "no such <star> & more" >&2; exit 7']
inputs: []
outputs: []
