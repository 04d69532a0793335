package site

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fringe"
)

// resolve finds the dataset of every File and Directory in the validated input
// object and gives the object its path, basename and size. It says whether
// there was any.
func (l *Local) resolve(ctx context.Context, r Request, inputs map[string]any) (found bool, err error) {
	for name, v := range inputs {
		f, err := l.resolveValue(ctx, r, "/"+name, v)
		if err != nil {
			return false, err
		}
		found = found || f
	}
	return found, nil
}

func (l *Local) resolveValue(ctx context.Context, r Request, pointer string, v any) (found bool, err error) {
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			f, err := l.resolveValue(ctx, r, fmt.Sprintf("%s/%d", pointer, i), x)
			if err != nil {
				return false, err
			}
			found = found || f
		}
	case map[string]any:
		class, _ := v["class"].(string)
		if class == "File" || class == "Directory" {
			return true, l.resolveData(ctx, r, pointer, v)
		}
		for k, x := range v {
			f, err := l.resolveValue(ctx, r, pointer+"/"+k, x)
			if err != nil {
				return false, err
			}
			found = found || f
		}
	}
	return found, nil
}

// resolveData sets path, basename and size of one File or Directory object.
// Only location names data: a path in the object is the client's and says
// nothing here.
func (l *Local) resolveData(ctx context.Context, r Request, pointer string, o map[string]any) error {
	const op = "site.resolve"
	delete(o, "path")
	if base, ok := o["basename"].(string); ok && (base == "" || base == "." || base == ".." || strings.ContainsAny(base, "/\x00")) {
		return &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Data, Pointer: pointer + "/basename",
			Message: fmt.Sprintf("the basename %q is not a file name", base)}
	}
	location, _ := o["location"].(string)
	if location == "" {
		if o["contents"] != nil || o["listing"] != nil {
			_, err := l.resolveValue(ctx, r, pointer+"/listing", o["listing"])
			return err
		}
		return &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Data, Pointer: pointer,
			Message: "a file or directory is named by its location: a dataset (scope:name) or a URL"}
	}
	if key, ok := strings.CutPrefix(location, "upload:"); ok {
		if path := r.Uploads[key]; path != "" {
			return setUpload(o, path)
		}
	}
	d, err := l.cfg.Data.Resolve(ctx, location, fringe.PrincipalOf(ctx))
	if err != nil {
		e := fringe.E(op, err)
		e.Pointer, e.Component = pointer, fringe.Data
		if e.Kind == fringe.NotFound { // the request is what is wrong, not its address
			e.Kind = fringe.Invalid
			e.Message = fmt.Sprintf("the input is a %v, and %s", o["class"], e.Message)
		}
		return e
	}
	if class := o["class"]; d.Directory != (class == "Directory") {
		is := map[bool]string{true: "a directory", false: "a file"}
		return &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Data, Pointer: pointer,
			Message: fmt.Sprintf("%s is %s; the input takes %s", location, is[d.Directory], is[class == "Directory"])}
	}
	o["path"] = d.Path
	if o["basename"] == nil {
		o["basename"] = d.Basename
	}
	if !d.Directory {
		o["size"] = d.Size
	}
	_, err = l.resolveValue(ctx, r, pointer+"/secondaryFiles", o["secondaryFiles"])
	return err
}

func setUpload(o map[string]any, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fringe.E("site.resolve", err)
	}
	o["path"], o["basename"], o["size"] = path, filepath.Base(path), info.Size()
	return nil
}
