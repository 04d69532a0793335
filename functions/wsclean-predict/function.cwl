cwlVersion: v1.2
class: CommandLineTool
$namespaces:
  fringe: "urn:fringe:ns#"
  s: "https://schema.org/"

label: Predict visibilities from a model image
doc: |
  WSClean transforms a model image (Jy/pixel) to visibilities and writes them into
  the column MODEL_DATA of a private copy of the measurement set, which is the output; the
  input is not changed. The image's size, scale and direction are taken from its header.

  Wraps WSClean 3.1 as Debian 12 packages it.

hints:
  fringe:Function:
    version: 3.1.0
    environment: wsclean
    shape: task
    contract: exec
s:author: André Offringa and contributors (WSClean); the Fringe authors (interface)
s:citation: >-
  2014MNRAS.444..606O WSCLEAN: an implementation of a fast, generic wide-field imager for radio astronomy;
  ascl:1408.023
s:license: GPL-3.0-or-later
s:codeRepository: https://gitlab.com/aroffringa/wsclean
s:keywords: [prediction, visibilities, model, measurement set]
fringe:example:
  ms: {class: Directory, location: "demo:synthetic.ms"}
  model: {class: File, location: "demo:synthetic-model.fits"}

requirements:
  InlineJavascriptRequirement: {}
  InitialWorkDirRequirement:
    listing:
      - entry: $(inputs.ms)
        writable: true
      - entry: $(inputs.model)
        entryname: predict-model.fits
  ResourceRequirement:
    coresMin: $(inputs.threads)
    ramMin: $(inputs.memory)
  EnvVarRequirement:
    envDef:
      OPENBLAS_NUM_THREADS: "1"

baseCommand: [wsclean, -predict, -name, predict]
arguments:
  - {prefix: -temp-dir, valueFrom: $(runtime.tmpdir)}
  - {prefix: -j, valueFrom: $(runtime.cores)}
  - {prefix: -abs-mem, valueFrom: '$((runtime.ram * 0.8 / 1024).toFixed(3))'}
  - {valueFrom: $(inputs.ms.basename), position: 100}
stdout: predict.log

inputs:
  ms:
    type: Directory
    doc: Measurement set
  model:
    type: File
    doc: Model image, such as the output `model` of wsclean
    fringe:unit: Jy/pixel
  fields:
    type: int[]?
    doc: Numbers of the fields to predict; only field 0 when absent
    fringe:minimum: 0
    inputBinding: {prefix: -field, itemSeparator: ","}
  gridder:
    type:
      type: enum
      symbols: [w-stacking, wgridder, direct-ft]
    default: w-stacking
    doc: How the image is transformed; the wgridder reaches a set accuracy, direct-ft is exact and slow
    inputBinding:
      valueFrom: '$(self === "wgridder" ? "-use-wgridder" : self === "direct-ft" ? "-direct-ft" : null)'
  threads:
    type: int
    default: 2
    doc: Number of threads
    fringe:minimum: 1
    fringe:maximum: 256
  memory:
    type: int
    default: 4096
    doc: Memory limit
    fringe:unit: Mibyte
    fringe:minimum: 512

outputs:
  predicted_ms:
    type: Directory
    doc: The measurement set with MODEL_DATA, named as the input
    outputBinding: {glob: $(inputs.ms.basename)}
  log:
    type: stdout
    doc: What WSClean said
