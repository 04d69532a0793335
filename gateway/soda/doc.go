// Package soda serves IVOA SODA 1.0 (Server-side Operations for Data Access):
// the resource {sync}, which answers with a part of a FITS image or cube, and
// the VOSI resources capabilities and availability beside it.
//
// It turns the parameters into the inputs of a published function (cutout), and
// calls it through the site as the principal who asks, so that permissions,
// queues and limits are those of any call. Names of parameters are
// case-insensitive; RESPONSE_FORMAT means RESPONSEFORMAT, as SRCNet's clients
// write it. Errors are lines of text, as SODA has them.
//
// An ID names a dataset of the site by the first rule that fits it; see Rule.
// An ID that is a URL is never fetched.
//
// The resource {links} of IVOA DataLink 1.1, beside the service, says what there
// is of a dataset, and describes the service to clients that do not know it.
//
// Room server sets it up, and room gateway authenticates its requests.
package soda
