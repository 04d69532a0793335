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

// words completes the first argument with what the site lists at path.
func words[T any](a *app, path string, word func(T) string) completion {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || a.load(cmd) != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		items, _, err := pages[T](cmd.Context(), a, path, url.Values{}, true)
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

func (a *app) functionNames() completion {
	return words(a, "/api/v1/functions", func(f client.Function) string { return string(f.Name) + "\t" + f.Summary })
}

func (a *app) environmentNames() completion {
	return words(a, "/api/v1/environments", func(e fringe.Environment) string { return string(e.Name) + "\t" + e.Description })
}

func (a *app) datasetNames() completion {
	return words(a, "/api/v1/datasets", func(d client.Dataset) string { return d.DID })
}

// callWords completes the function's name, then its inputs.
func (a *app) callWords(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 || strings.Contains(prefix, "=") {
		return a.functionNames()(cmd, args, prefix)
	}
	if a.load(cmd) != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	cl, err := a.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	fn, err := client.Get[client.Function](cmd.Context(), cl, "/api/v1/functions/"+client.EscapePath(args[0]), nil)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var found []string
	for _, p := range fn.Inputs {
		if strings.HasPrefix(p.Name, prefix) {
			found = append(found, p.Name+"=\t"+p.Doc)
		}
	}
	return found, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}
