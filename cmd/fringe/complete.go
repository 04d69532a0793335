package main

import (
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"fringe"
	"fringe/client"
)

// completion gives a shell the words that may follow.
type completion = func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective)

// words completes the first argument with what the site lists at path, all of
// it or the first thousand.
func words[T any](a *app, path string, all bool, word func(T) string) completion {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || a.load(cmd) != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		items, _, err := pages[T](cmd.Context(), a, path, url.Values{"prefix": {prefix}, "limit": {"1000"}}, all)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var found []string
		for _, x := range items {
			if w := word(x); strings.HasPrefix(w, prefix) {
				found = append(found, w)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// many completes every argument as c does the first.
func many(c completion) completion {
	return func(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return c(cmd, nil, prefix)
	}
}

func (a *app) functionNames() completion {
	return words(a, "/api/v1/functions", true, func(f client.Function) string { return string(f.Name) + "\t" + f.Summary })
}

func (a *app) environmentNames() completion {
	return words(a, "/api/v1/environments", true, func(e fringe.Environment) string { return string(e.Name) + "\t" + e.Description })
}

func (a *app) datasetNames() completion {
	return words(a, "/api/v1/datasets", false, func(d client.Dataset) string { return d.DID })
}

func (a *app) tokenNames() completion {
	return words(a, "/api/v1/tokens", true, func(t client.Token) string { return t.Name + "\t" + string(t.Role) })
}

func (a *app) jobIDs() completion {
	return words(a, "/api/v1/jobs", false, func(j client.Job) string { return string(j.ID) + "\t" + j.Function + " " + j.Phase })
}

// versionNames completes the function's name, then its versions, with what
// comes between: a place of the argument of its own, or an at sign.
func (a *app) versionNames(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	name, _, at := strings.Cut(prefix, "@")
	switch {
	case len(args) == 0 && !at:
		return a.functionNames()(cmd, args, prefix)
	case len(args) == 2:
		name, at = args[0], false
	case len(args) != 0:
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	fn, err := a.described(cmd, name)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var found []string
	for _, v := range fn.Versions {
		if at {
			v = name + "@" + v
		}
		if strings.HasPrefix(v, prefix) {
			found = append(found, v)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// described gives the function of the name.
func (a *app) described(cmd *cobra.Command, name string) (client.Function, error) {
	err := a.load(cmd)
	if err != nil {
		return client.Function{}, err
	}
	cl, err := a.client()
	if err != nil {
		return client.Function{}, err
	}
	return client.Get[client.Function](cmd.Context(), cl, "/api/v1/functions/"+client.EscapePath(name), nil)
}

// callWords completes the function's name, then its inputs, then what an input
// can be: datasets, files, or the values that its interface lists.
func (a *app) callWords(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.versionNames(cmd, args, prefix)
	}
	fn, err := a.described(cmd, args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	name, value, valued := strings.Cut(prefix, "=")
	var found []string
	for _, p := range fn.Inputs {
		switch {
		case !valued && strings.HasPrefix(p.Name, prefix):
			found = append(found, p.Name+"=\t"+p.Doc)
		case valued && p.Name == name:
			return a.inputValues(cmd, p, value)
		}
	}
	return found, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// inputValues completes the value of an input, with the input's name before it.
func (a *app) inputValues(cmd *cobra.Command, p client.Parameter, prefix string) ([]string, cobra.ShellCompDirective) {
	var values []string
	switch {
	case strings.Contains(p.Type, "File"), strings.Contains(p.Type, "Directory"):
		values, _ = a.datasetNames()(cmd, nil, prefix)
	case strings.HasPrefix(p.Type, "boolean"):
		values = []string{"true", "false"}
	case strings.HasPrefix(p.Type, "enum ["):
		symbols, _, _ := strings.Cut(strings.TrimPrefix(p.Type, "enum ["), "]")
		values = strings.Split(symbols, ", ")
	}
	var found []string
	for _, v := range values {
		if strings.HasPrefix(v, prefix) {
			found = append(found, p.Name+"="+v)
		}
	}
	if found == nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
