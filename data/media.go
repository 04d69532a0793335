package data

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// Media types that mediaTypeOf tells besides those of the web.
const (
	MediaFITS           = "application/fits"
	MediaMeasurementSet = "application/x-casa-ms"
	MediaImageTable     = "application/x-casa-image"
	MediaTable          = "application/x-casa-table"
	MediaVOTable        = "application/x-votable+xml"
	MediaHDF5           = "application/x-hdf5"
)

// mediaTypeOf tells what a file or directory is, from its first bytes and,
// where these fit several types, its name. It gives "" when it cannot tell.
func mediaTypeOf(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if st.IsDir() {
		return tableType(path), nil
	}
	f, err := openRegular(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	return typeOfBytes(head[:n], strings.ToLower(filepath.Ext(path)), st.Size() == int64(n)), nil
}

// tableType tells what a directory is: casacore's tables say so themselves.
func tableType(dir string) string {
	st, err := os.Stat(filepath.Join(dir, "table.dat"))
	if err != nil || !st.Mode().IsRegular() {
		return ""
	}
	f, err := openRegular(filepath.Join(dir, "table.info"))
	if err != nil {
		return MediaTable
	}
	defer f.Close()
	head, _ := io.ReadAll(io.LimitReader(f, 1024)) // a table without a readable info is a table still
	line, _, _ := strings.Cut(string(head), "\n")
	switch _, kind, _ := strings.Cut(line, "="); strings.TrimSpace(kind) {
	case "Measurement Set":
		return MediaMeasurementSet
	case "Image":
		return MediaImageTable
	}
	return MediaTable
}

// typeOfBytes tells what a file is by its first bytes; whole says that they
// are all of it.
func typeOfBytes(head []byte, ext string, whole bool) string {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(head) == 0:
		return ""
	case bytes.HasPrefix(head, []byte("SIMPLE  =")):
		return MediaFITS
	case bytes.HasPrefix(head, []byte("\x89HDF\r\n\x1a\n")):
		return MediaHDF5
	case bytes.Contains(text, []byte("<VOTABLE")):
		return MediaVOTable
	case bytes.HasPrefix(text, []byte("{")) || bytes.HasPrefix(text, []byte("[")):
		if ext == ".json" || whole && json.Valid(head) {
			return "application/json"
		}
	}
	kind, _, _ := strings.Cut(http.DetectContentType(head), ";")
	if kind == "text/plain" && ext == ".csv" {
		return "text/csv"
	}
	if kind == "application/octet-stream" {
		return ""
	}
	if kind == "application/x-gzip" {
		return "application/gzip"
	}
	return kind
}
