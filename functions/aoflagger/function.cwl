cwlVersion: v1.2
class: CommandLineTool
$namespaces:
  fringe: "urn:fringe:ns#"
  s: "https://schema.org/"

label: Flag radio interference in a measurement set
doc: |
  AOFlagger finds radio-frequency interference (RFI) and sets the FLAG column. It
  works on a private copy of the measurement set: the input is not changed, the
  flagged measurement set is the output. Flags that were set stay set. AOFlagger also adds QUALITY_* subtables.

  The strategy `auto` lets AOFlagger choose by the telescope's name, and falls back to the generic one. The
  strategies for telescopes expect the band shapes of real data of that telescope.

  Wraps AOFlagger 3.1 as Debian 12 packages it.

hints:
  fringe:Function:
    version: 3.1.1
    environment: aoflagger
    shape: task
    contract: exec
s:author: André Offringa and contributors (AOFlagger); the Fringe authors (interface)
s:citation: >-
  2012A&A...539A..95O A morphological algorithm for improving radio-frequency interference detection;
  2010MNRAS.405..155O Post-correlation radio frequency interference classification methods;
  ascl:1010.017
s:license: GPL-3.0-or-later
s:codeRepository: https://gitlab.com/aroffringa/aoflagger
s:keywords: [flagging, RFI, interference, measurement set]
fringe:example:
  ms: {class: Directory, location: "demo:synthetic.ms"}
  strategy: generic-default

requirements:
  InlineJavascriptRequirement: {}
  InitialWorkDirRequirement:
    listing:
      - entry: $(inputs.ms)
        writable: true
  ResourceRequirement:
    coresMin: $(inputs.threads)
    ramMin: $(inputs.memory)
  EnvVarRequirement:
    envDef:
      OPENBLAS_NUM_THREADS: "1"

baseCommand: aoflagger-counted
arguments:
  - {prefix: -j, valueFrom: $(runtime.cores)}
  - {valueFrom: $(inputs.ms.basename), position: 100}
stdout: aoflagger.log

inputs:
  ms:
    type: Directory
    doc: Measurement set
  strategy:
    type:
      type: enum
      symbols:
        - auto
        - generic-default
        - generic-minimal
        - aartfaac-default
        - apertif-default
        - arecibo-default
        - atca-default
        - atca-l-band
        - bighorns-default
        - jvla-default
        - lofar-default
        - lofar-lba-wideband
        - mwa-default
        - nenufar-default
        - parkes-default
        - wsrt-default
    default: auto
    doc: One of the strategies that come with AOFlagger
    inputBinding:
      prefix: -strategy
      valueFrom: '$(inputs.strategy_file !== null ? inputs.strategy_file.path : self === "auto" ? null : "/usr/share/aoflagger/strategies/" + self + ".lua")'
  strategy_file:
    type: File?
    doc: A strategy of your own in Lua; takes precedence over `strategy`
  column:
    type: string
    default: DATA
    doc: Column in which interference is searched
    inputBinding: {prefix: -column}
  fields:
    type: int[]?
    doc: Numbers of the fields to flag; all when absent
    fringe:minimum: 0
    inputBinding: {prefix: -fields, itemSeparator: ","}
  bands:
    type: int[]?
    doc: Numbers of the spectral windows to flag; all when absent
    fringe:minimum: 0
    inputBinding: {prefix: -bands, itemSeparator: ","}
  baselines:
    type:
      type: enum
      symbols: [cross, auto, all]
    default: cross
    doc: Flag cross-correlations, autocorrelations or both
    inputBinding: {prefix: -baselines}
  interval:
    type:
      - "null"
      - type: record
        name: interval
        fields:
          start: {type: int, doc: "First time step, from 0"}
          end: {type: int, doc: One more than the last time step}
    doc: Time steps to flag; all when absent
    inputBinding: {prefix: -interval, valueFrom: "$([self.start, self.end])"}
  chunk_size:
    type: int?
    doc: Number of time steps flagged at once; a limit lowers the memory that is needed
    fringe:minimum: 20
    inputBinding: {prefix: -chunk-size}
  combine_spectral_windows:
    type: boolean
    default: false
    doc: Join the spectral windows in frequency before flagging
    inputBinding: {prefix: -combine-spws}
  read_mode:
    type:
      type: enum
      symbols: [auto, direct, indirect, memory]
    default: auto
    doc: How data are read; memory is fastest, direct needs least memory
    inputBinding: {valueFrom: '$(self === "auto" ? "-auto-read-mode" : "-" + self + "-read")'}
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
  flagged_ms:
    type: Directory
    doc: The measurement set with the new flags, named as the input
    outputBinding: {glob: $(inputs.ms.basename)}
  fraction_before:
    type: float
    doc: Fraction of the visibilities that was flagged before
    outputBinding:
      glob: aoflagger-statistics.json
      loadContents: true
      outputEval: $(JSON.parse(self[0].contents).before)
  fraction_after:
    type: float
    doc: Fraction of the visibilities that is flagged now
    outputBinding:
      glob: aoflagger-statistics.json
      loadContents: true
      outputEval: $(JSON.parse(self[0].contents).after)
  log:
    type: stdout
    doc: What AOFlagger said
