cwlVersion: v1.2
class: CommandLineTool
$namespaces:
  fringe: "urn:fringe:ns#"
  s: "https://schema.org/"
  iana: "https://www.iana.org/assignments/media-types/"

label: Make and deconvolve images of interferometer data
doc: |
  WSClean images one or more measurement sets and deconvolves the images with
  Högbom, Clark, multi-scale and joined-channel CLEAN. All inputs but `ms`,
  `size` and `scale` have WSClean's own defaults; `niter` of 0 gives a dirty image.

  The measurement set is only read. WSClean's temporary files go to the
  private scratch directory, and its threads and memory follow `threads` and
  `memory`. The call fails when the main image is NaN or 0 everywhere (no
  data were selected, for example with the wrong `fields`) or has no restoring beam.

  Wraps WSClean 3.1 as Debian 12 packages it: with the w-gridder, without IDG and EveryBeam.

hints:
  fringe:Function:
    version: 3.1.4
    environment: wsclean
    shape: task
    contract: exec
s:author: André Offringa and contributors (WSClean); the Fringe authors (interface)
s:citation: >-
  2014MNRAS.444..606O WSCLEAN: an implementation of a fast, generic wide-field imager for radio astronomy;
  2017MNRAS.471..301O An optimized algorithm for multiscale wideband deconvolution of radio astronomical images;
  2021A&A...646A..58A Efficient wide-field radio interferometry response;
  ascl:1408.023
s:license: GPL-3.0-or-later
s:codeRepository: https://gitlab.com/aroffringa/wsclean
s:keywords: [imaging, deconvolution, CLEAN, interferometry, measurement set]
fringe:example:
  ms: {class: Directory, location: "demo:synthetic.ms"}
  size: 512
  scale: 5
  niter: 1000
  mgain: 0.8
  auto_threshold: 3

requirements:
  InlineJavascriptRequirement:
    expressionLib:
      - |
        function ordered(files) {
          return files.slice().sort(function (a, b) { return a.basename < b.basename ? -1 : 1; });
        }
        function first(files) {
          var whole = ordered(files).filter(function (f) { return f.basename.indexOf("-MFS-") >= 0; });
          return (whole.length ? whole : ordered(files))[0] || null;
        }
        function others(files) {
          var main = first(files);
          return ordered(files).filter(function (f) { return f.basename !== main.basename; });
        }
  ResourceRequirement:
    coresMin: $(inputs.threads)
    # MiB, fitted to measured peaks (docs/casa.md): some 75 bytes for each pixel, more with scales, and for each of the images
    # that are deconvolved together. At least 4096, of which w-stacking makes use.
    ramMin: >-
      $(inputs.memory !== null ? inputs.memory : Math.max(4096, Math.ceil(60 + inputs.size * (inputs.height === null ? inputs.size : inputs.height) / 1048576 *
      (75 + (inputs.multiscale ? 95 : 0) + 12 * (inputs.join_channels ? inputs.channels_out : 1) * (inputs.join_polarizations ? inputs.polarizations.length : 1)))))
  EnvVarRequirement:
    envDef:
      OPENBLAS_NUM_THREADS: "1"

baseCommand: wsclean-checked
arguments:
  - '$(inputs.preview ? "--preview" : null)'
  - -no-update-model-required
  - -reorder  # several spectral windows cannot be read in any other way
  - {prefix: -temp-dir, valueFrom: $(runtime.tmpdir)}
  - {prefix: -j, valueFrom: $(runtime.cores)}
  - {prefix: -abs-mem, valueFrom: '$((runtime.ram * 0.8 / 1024).toFixed(3))'}
stdout: $(inputs.name).log

inputs:
  ms:
    type:
      - Directory
      - {type: array, items: Directory}
    doc: Measurement set, or several with the same phase centre
    inputBinding: {position: 100}

  # The image.
  size:
    type: int
    doc: Width of the image, and its height unless that is given
    fringe:unit: pixel
    fringe:minimum: 16
    fringe:maximum: 65536
    inputBinding:
      prefix: -size
      valueFrom: "$([self, inputs.height === null ? self : inputs.height])"
  height:
    type: int?
    doc: Height of the image
    fringe:unit: pixel
    fringe:minimum: 16
    fringe:maximum: 65536
  scale:
    type: [float, string]
    doc: Size of a pixel; a number in arcsec, or text with a unit (deg, amin, asec, masec, rad) such as 0.12masec
    fringe:unit: arcsec
    fringe:exclusiveMinimum: 0
    fringe:maximum: 36000
    inputBinding:
      prefix: -scale
      valueFrom: '$(typeof self === "string" ? self : self + "asec")'
  shift:
    type:
      - "null"
      - type: record
        name: shift
        fields:
          ra: {type: string, doc: "Right ascension, such as 12h30m49.42s"}
          dec: {type: string, doc: "Declination, such as 12d23m28.04s"}
    doc: Centre of the image, when it is not the phase centre
    inputBinding: {prefix: -shift, valueFrom: "$([self.ra, self.dec])"}
  polarizations:
    type:
      type: enum
      symbols: [I, Q, U, V, QU, IV, IQUV, XX, YY, XXYY, XXXYYXYY, RR, LL, RRLL, RRRLLRLL]
    default: I
    doc: Polarizations to image, written one after the other
    fringe:ucd: meta.code;phys.polarization
    inputBinding: {prefix: -pol}
  channels_out:
    type: int
    default: 1
    doc: Number of images that the band is split into
    fringe:minimum: 1
    fringe:maximum: 65536
    inputBinding: {prefix: -channels-out}
  intervals_out:
    type: int
    default: 1
    doc: Number of images that the time range is split into
    fringe:minimum: 1
    fringe:maximum: 100000
    inputBinding: {prefix: -intervals-out}
  name:
    type: string
    default: wsclean
    doc: First part of the names of the images
    inputBinding: {prefix: -name}

  # Which data.
  data_column:
    type: string?
    doc: Column to image; CORRECTED_DATA when it is there, else DATA
    inputBinding: {prefix: -data-column}
  fields:
    type: int[]?
    doc: Numbers of the fields to image together; only field 0 when absent
    fringe:minimum: 0
    inputBinding: {prefix: -field, itemSeparator: ","}
  spectral_windows:
    type: int[]?
    doc: Numbers of the spectral windows; all when absent
    fringe:minimum: 0
    inputBinding: {prefix: -spws, itemSeparator: ","}
  channel_range:
    type:
      - "null"
      - type: record
        name: channel_range
        fields:
          start: {type: int, doc: "First channel, from 0"}
          end: {type: int, doc: One more than the last channel}
    doc: Channels to image; all when absent
    inputBinding: {prefix: -channel-range, valueFrom: "$([self.start, self.end])"}
  interval:
    type:
      - "null"
      - type: record
        name: interval
        fields:
          start: {type: int, doc: "First time step, from 0"}
          end: {type: int, doc: One more than the last time step}
    doc: Time steps to image; all when absent
    inputBinding: {prefix: -interval, valueFrom: "$([self.start, self.end])"}
  min_uv:
    type: float?
    doc: Shortest baseline used, in wavelengths, to within a cell of the uv grid
    fringe:minimum: 0
    inputBinding: {prefix: -minuv-l}
  max_uv:
    type: float?
    doc: Longest baseline used, in wavelengths, to within a cell of the uv grid
    fringe:exclusiveMinimum: 0
    inputBinding: {prefix: -maxuv-l}
  min_baseline:
    type: float?
    doc: Shortest baseline used
    fringe:unit: m
    fringe:minimum: 0
    inputBinding: {prefix: -minuvw-m}
  max_baseline:
    type: float?
    doc: Longest baseline used
    fringe:unit: m
    fringe:exclusiveMinimum: 0
    inputBinding: {prefix: -maxuvw-m}

  # Weights.
  weight:
    type:
      type: enum
      symbols: [natural, uniform, briggs]
    default: uniform
    doc: Weighting of the visibilities; briggs uses `robust`
    inputBinding:
      prefix: -weight
      valueFrom: '$(self === "briggs" ? [self, inputs.robust] : self)'
  robust:
    type: float
    default: 0
    doc: Briggs' robustness, from -2 (uniform) to 2 (natural)
    fringe:minimum: -5
    fringe:maximum: 5
  super_weight:
    type: float?
    doc: Factor by which the cells of uniform weighting are enlarged
    fringe:exclusiveMinimum: 0
    inputBinding: {prefix: -super-weight}
  taper_gaussian:
    type: float?
    doc: FWHM in the image of a Gaussian taper of the weights
    fringe:unit: arcsec
    fringe:exclusiveMinimum: 0
    inputBinding: {prefix: -taper-gaussian, valueFrom: '$(self + "asec")'}
  taper_tukey:
    type: float?
    doc: Length of a Tukey transition below `max_uv`, in wavelengths
    fringe:minimum: 0
    inputBinding: {prefix: -taper-tukey}
  taper_inner_tukey:
    type: float?
    doc: Length of a Tukey transition above `min_uv`, in wavelengths
    fringe:minimum: 0
    inputBinding: {prefix: -taper-inner-tukey}
  multi_frequency_weighting:
    type: boolean?
    doc: Weight the channels as if they were imaged together; so by default when channels are joined
    inputBinding:
      valueFrom: '$(self ? "-mf-weighting" : "-no-mf-weighting")'

  # Gridding.
  gridder:
    type:
      type: enum
      symbols: [w-stacking, wgridder, direct-ft]
    default: w-stacking
    doc: How visibilities are gridded; the wgridder reaches a set accuracy, direct-ft is exact and slow
    inputBinding:
      valueFrom: '$(self === "wgridder" ? "-use-wgridder" : self === "direct-ft" ? "-direct-ft" : null)'
  wgridder_accuracy:
    type: float?
    doc: Relative accuracy of the wgridder
    fringe:minimum: 1.0e-6
    fringe:maximum: 0.01
    inputBinding: {prefix: -wgridder-accuracy}
  padding:
    type: float?
    doc: Factor by which images are padded while gridding; 1.2 when absent
    fringe:minimum: 1
    fringe:maximum: 10
    inputBinding: {prefix: -padding}
  baseline_averaging:
    type: float?
    doc: Longest uv track that is averaged, in wavelengths
    fringe:exclusiveMinimum: 0
    inputBinding: {prefix: -baseline-averaging}
  parallel_gridding:
    type: int?
    doc: Number of images gridded at once; needs memory for each
    fringe:minimum: 1
    inputBinding: {prefix: -parallel-gridding}

  # Deconvolution.
  niter:
    type: int
    default: 0
    doc: Largest number of CLEAN iterations; 0 for a dirty image
    fringe:minimum: 0
    inputBinding: {prefix: -niter}
  major_iterations:
    type: int?
    doc: Largest number of major iterations; 20 when absent, 0 for no limit
    fringe:minimum: 0
    inputBinding: {prefix: -nmiter}
  gain:
    type: float
    default: 0.1
    doc: Part of the peak that one iteration subtracts
    fringe:exclusiveMinimum: 0
    fringe:maximum: 1
    inputBinding: {prefix: -gain}
  mgain:
    type: float
    default: 1
    doc: Part of the peak that one major iteration cleans; below 1 visibilities are predicted again, 0.8 is common
    fringe:exclusiveMinimum: 0
    fringe:maximum: 1
    inputBinding: {prefix: -mgain}
  threshold:
    type: float?
    doc: Residual at which CLEAN stops
    fringe:unit: Jy/beam
    fringe:minimum: 0
    inputBinding: {prefix: -threshold}
  auto_threshold:
    type: float?
    doc: Residual at which CLEAN stops, in units of the noise
    fringe:exclusiveMinimum: 0
    inputBinding: {prefix: -auto-threshold}
  auto_mask:
    type: float?
    doc: Residual, in units of the noise, from which on only components found before are cleaned
    fringe:exclusiveMinimum: 0
    inputBinding: {prefix: -auto-mask}
  local_rms:
    type: boolean
    default: false
    doc: Use noise that varies over the image for auto_threshold and auto_mask
    inputBinding: {prefix: -local-rms}
  multiscale:
    type: boolean
    default: false
    doc: CLEAN with several scales
    inputBinding: {prefix: -multiscale}
  multiscale_scales:
    type: float[]?
    doc: Scales; chosen from the beam when absent
    fringe:unit: pixel
    fringe:minimum: 0
    inputBinding: {prefix: -multiscale-scales, itemSeparator: ","}
  multiscale_max_scales:
    type: int?
    doc: Largest number of scales that are chosen
    fringe:minimum: 1
    inputBinding: {prefix: -multiscale-max-scales}
  multiscale_scale_bias:
    type: float?
    doc: Preference for small scales, 0.6 when absent; lower values prefer large scales
    fringe:exclusiveMinimum: 0
    fringe:maximum: 1
    inputBinding: {prefix: -multiscale-scale-bias}
  multiscale_gain:
    type: float?
    doc: Part of the peak that one multi-scale iteration subtracts; 0.2 when absent
    fringe:exclusiveMinimum: 0
    fringe:maximum: 1
    inputBinding: {prefix: -multiscale-gain}
  join_channels:
    type: boolean
    default: false
    doc: Search for peaks in the sum of the channel images
    inputBinding: {prefix: -join-channels}
  join_polarizations:
    type: boolean
    default: false
    doc: Search for peaks in the squared sum of the polarizations
    inputBinding: {prefix: -join-polarizations}
  fit_spectral_pol:
    type: int?
    doc: Number of terms of a polynomial in frequency that is fitted to each component; needs join_channels
    fringe:minimum: 1
    fringe:maximum: 10
    inputBinding: {prefix: -fit-spectral-pol}
  fit_spectral_log_pol:
    type: int?
    doc: As fit_spectral_pol, for a polynomial in the logarithms
    fringe:minimum: 1
    fringe:maximum: 10
    inputBinding: {prefix: -fit-spectral-log-pol}
  deconvolution_channels:
    type: int?
    doc: Number of channels while deconvolving; needs one of the spectral fits
    fringe:minimum: 1
    inputBinding: {prefix: -deconvolution-channels}
  parallel_deconvolution:
    type: int?
    doc: Largest size of the parts of the image that are deconvolved in parallel
    fringe:unit: pixel
    fringe:minimum: 16
    inputBinding: {prefix: -parallel-deconvolution}
  fits_mask:
    type: File?
    doc: FITS image of the size of the result; CLEAN is confined to pixels that are not 0
    inputBinding: {prefix: -fits-mask}
  clean_border:
    type: float?
    doc: Border of the image that is not cleaned
    fringe:unit: "%"
    fringe:minimum: 0
    fringe:maximum: 50
    inputBinding: {prefix: -clean-border}
  no_negative:
    type: boolean
    default: false
    doc: Allow no negative components
    inputBinding: {prefix: -no-negative}
  stop_negative:
    type: boolean
    default: false
    doc: Stop at the first negative component
    inputBinding: {prefix: -stop-negative}

  # The restoring beam.
  beam_size:
    type: float?
    doc: FWHM of a circular restoring beam; fitted to the point spread function when absent
    fringe:unit: arcsec
    fringe:exclusiveMinimum: 0
    inputBinding: {prefix: -beam-size, valueFrom: '$(self + "asec")'}
  beam_shape:
    type:
      - "null"
      - type: record
        name: beam_shape
        fields:
          major: {type: float, doc: "FWHM of the major axis, arcsec"}
          minor: {type: float, doc: "FWHM of the minor axis, arcsec"}
          position_angle: {type: float, doc: "Position angle of the major axis, north through east, deg"}
    doc: An elliptical restoring beam
    inputBinding:
      prefix: -beam-shape
      valueFrom: '$([self.major + "asec", self.minor + "asec", self.position_angle + "deg"])'
  circular_beam:
    type: boolean
    default: false
    doc: Fit a circular beam
    inputBinding: {prefix: -circular-beam}
  theoretic_beam:
    type: boolean
    default: false
    doc: Take the beam from the longest baseline, without a point spread function
    inputBinding: {prefix: -theoretic-beam}
  beam_fitting_size:
    type: float?
    doc: Size of the box in which the beam is fitted, in theoretical beams
    fringe:exclusiveMinimum: 0
    inputBinding: {prefix: -beam-fitting-size}

  # What else is kept.
  make_psf:
    type: boolean
    default: false
    doc: Make the point spread function even when nothing is cleaned
    inputBinding: {prefix: -make-psf}
  no_dirty:
    type: boolean
    default: false
    doc: Do not keep the dirty image
    inputBinding: {prefix: -no-dirty}
  save_source_list:
    type: boolean
    default: false
    doc: Keep the components as a sky model in text (DP3, BBS)
    inputBinding: {prefix: -save-source-list}
  save_weights:
    type: boolean
    default: false
    doc: Keep the gridded weights
    inputBinding: {prefix: -save-weights}

  preview:
    type: boolean
    default: false
    doc: Draw a picture of the image too; takes two seconds or so, of large images more

  # What it may use.
  threads:
    type: int
    default: 2
    doc: Number of threads
    fringe:minimum: 1
    fringe:maximum: 256
  memory:
    type: int?
    doc: Memory limit; when absent an estimate from the size of the image, at least 4096
    fringe:unit: Mibyte
    fringe:minimum: 512

outputs:
  image:
    type: File
    format: iana:image/fits
    doc: >-
      The image, restored when cleaned. Of several channels it is the multi-frequency image, of several
      polarizations or intervals the first.
    fringe:unit: Jy/beam
    outputBinding: {glob: $(inputs.name)-*image.fits, outputEval: $(first(self))}
  dirty:
    type: File?
    doc: The image before deconvolution (FITS)
    fringe:unit: Jy/beam
    outputBinding: {glob: $(inputs.name)-*dirty.fits, outputEval: $(first(self))}
  psf:
    type: File?
    doc: The point spread function (FITS)
    outputBinding: {glob: $(inputs.name)-*psf.fits, outputEval: $(first(self))}
  model:
    type: File?
    doc: The components (FITS)
    fringe:unit: Jy/pixel
    outputBinding: {glob: $(inputs.name)-*model.fits, outputEval: $(first(self))}
  residual:
    type: File?
    doc: What is left after deconvolution (FITS)
    fringe:unit: Jy/beam
    outputBinding: {glob: $(inputs.name)-*residual.fits, outputEval: $(first(self))}
  images:
    type: File[]
    format: iana:image/fits
    doc: The other images of several channels, polarizations or intervals
    outputBinding: {glob: $(inputs.name)-*image.fits, outputEval: $(others(self))}
  models:
    type: File[]
    format: iana:image/fits
    doc: The other models
    outputBinding: {glob: $(inputs.name)-*model.fits, outputEval: $(others(self))}
  residuals:
    type: File[]
    format: iana:image/fits
    doc: The other residuals
    outputBinding: {glob: $(inputs.name)-*residual.fits, outputEval: $(others(self))}
  psfs:
    type: File[]
    format: iana:image/fits
    doc: The other point spread functions
    outputBinding: {glob: $(inputs.name)-*psf.fits, outputEval: $(others(self))}
  sources:
    type: File?
    doc: The components as a sky model, with save_source_list
    outputBinding: {glob: $(inputs.name)-sources.txt}
  weights:
    type: File?
    doc: The gridded weights (FITS), with save_weights
    outputBinding: {glob: $(inputs.name)-*weights.fits, outputEval: $(first(self))}
  preview:
    type: File?
    format: iana:image/png
    doc: A picture of the image, with preview
    outputBinding: {glob: $(inputs.name).png}
  log:
    type: stdout
    doc: What WSClean said
