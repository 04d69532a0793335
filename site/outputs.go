package site

import (
	"context"
	"fmt"
	"path/filepath"

	"fringe"
	"fringe/data"
)

// publish makes a product of every File and Directory in the output object and
// puts its dataset name in the place of the path.
func (l *Local) publish(ctx context.Context, id fringe.CallID, outputs map[string]any) error {
	for name, v := range outputs {
		if err := l.publishValue(ctx, id, name, v); err != nil {
			return err
		}
	}
	return nil
}

func (l *Local) publishValue(ctx context.Context, id fringe.CallID, name string, v any) error {
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			if err := l.publishValue(ctx, id, fmt.Sprintf("%s/%d", name, i), x); err != nil {
				return err
			}
		}
	case map[string]any:
		class, _ := v["class"].(string)
		if class == "File" || class == "Directory" {
			return l.publishData(ctx, id, name, v)
		}
		for k, x := range v {
			if err := l.publishValue(ctx, id, name+"/"+k, x); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Local) publishData(ctx context.Context, id fringe.CallID, name string, o map[string]any) error {
	path, _ := o["path"].(string)
	base, _ := o["basename"].(string)
	if base == "" {
		base = filepath.Base(path)
	}
	d, err := l.cfg.Data.Publish(ctx, data.PublishRequest{Call: id, Output: name, HostPath: path, Basename: base,
		Directory: o["class"] == "Directory", Owner: fringe.PrincipalOf(ctx).Name})
	if err != nil {
		return fringe.E("site.publish", err)
	}
	if list, ok := o["secondaryFiles"].([]any); ok {
		if err := l.publishValue(ctx, id, name+".secondary", list); err != nil {
			return err
		}
	}
	for _, k := range []string{"path", "dirname", "listing", "checksum"} {
		delete(o, k)
	}
	o["location"], o["basename"], o["size"] = d.DID.String(), d.Basename, d.Size
	if d.Checksum != "" {
		o["checksum"] = d.Checksum
	}
	if d.MediaType != "" {
		o["mediaType"] = d.MediaType
	}
	return nil
}
