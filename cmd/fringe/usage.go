package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// misuse is an error of the command line: what is wrong, and how it is written.
type misuse struct{ said, usage string }

func (m *misuse) Error() string { return m.said }

// wrong says what is wrong with the command line of c.
func wrong(c *cobra.Command, format string, args ...any) error {
	usage := strings.TrimSuffix(c.UseLine(), " [flags]")
	if c.HasSubCommands() {
		usage += " COMMAND"
	}
	return &misuse{fmt.Sprintf(format, args...), usage}
}

// strict makes c and all commands below it say what is wrong with a command
// line in the same way, with a line of usage.
func strict(c *cobra.Command) {
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		said, _, _ := strings.Cut(err.Error(), ": strconv.")
		return wrong(c, "%s", said)
	})
	for _, sub := range c.Commands() {
		strict(sub)
	}
	if c.HasSubCommands() {
		c.DisableFlagsInUseLine = true
		c.Args = subcommand
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		return
	}
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if check == nil || check(c, args) == nil {
			return nil
		}
		must, may, _ := strings.Cut(strings.Replace(c.Use, " [flags]", "", 1), " [")
		names := strings.Fields(must)[1:]
		if len(args) < len(names) {
			return wrong(c, "%s is missing", strings.TrimSuffix(names[len(args)], "…"))
		}
		if may != "" {
			names = append(names, strings.Split(may, " [")...)
		}
		return wrong(c, "%q is one argument too many", args[min(len(names), len(args)-1)])
	}
}

// subcommand refuses a word that is none of c's subcommands.
func subcommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	said := "near names are"
	names := c.SuggestionsFor(args[0])
	if len(names) == 0 {
		said = "the commands are"
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				names = append(names, sub.Name())
			}
		}
	}
	return wrong(c, "there is no command %q; %s %s", args[0], said, strings.Join(names, ", "))
}
