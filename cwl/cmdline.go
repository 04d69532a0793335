package cwl

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// word is a leaf of the command line: a binding with its value and place.
type word struct {
	key     []any // int64 and string, compared in order
	binding *binding
	value   any
	text    *template // of an argument that is only text
}

// commandLine builds Argv.
func (s *stager) commandLine(e *Execution) error {
	var words []word
	for i, a := range s.t.arguments {
		w := word{binding: a.binding, text: a.text, key: []any{int64(0), int64(i)}}
		if a.binding != nil {
			position, err := s.position(a.binding, nil)
			if err != nil {
				return err
			}
			w.key[0] = position
		}
		words = append(words, w)
	}
	for i := range s.t.Inputs {
		in := &s.t.Inputs[i]
		more, err := s.bind(in.port.binding, &in.Type, s.ev.inputs[in.Name], []any{in.Name})
		if err != nil {
			return fmt.Errorf("the input %s: %w", in.Name, err)
		}
		words = append(words, more...)
	}
	sort.SliceStable(words, func(i, j int) bool { return lessKey(words[i].key, words[j].key) })
	argv := append([]string{}, s.t.command...)
	shell := make([]string, 0, len(words)+len(argv))
	for _, a := range argv {
		shell = append(shell, quoteShell(a))
	}
	for i := range words {
		args, err := s.words(&words[i])
		if err != nil {
			return err
		}
		quote := words[i].binding == nil || words[i].binding.quote
		for _, a := range args {
			if strings.ContainsRune(a, 0) {
				return errors.New("an argument has a zero byte")
			}
			argv = append(argv, a)
			if quote {
				a = quoteShell(a)
			}
			shell = append(shell, a)
		}
	}
	if s.t.req.shell {
		argv = []string{"/bin/sh", "-c", strings.Join(shell, " ")}
	}
	if len(argv) == 0 || argv[0] == "" {
		return errors.New("the command line is empty")
	}
	e.Argv = argv
	return nil
}

// lessKey compares sort keys: numbers come before names, and a key before what
// it begins.
func lessKey(a, b []any) bool {
	for i := 0; i < len(a) && i < len(b); i++ {
		x, xIsNumber := a[i].(int64)
		y, yIsNumber := b[i].(int64)
		switch {
		case xIsNumber && yIsNumber:
			if x != y {
				return x < y
			}
		case xIsNumber != yIsNumber:
			return xIsNumber
		case a[i].(string) != b[i].(string):
			return a[i].(string) < b[i].(string)
		}
	}
	return len(a) < len(b)
}

func (s *stager) position(b *binding, self any) (int64, error) {
	if b.position == nil {
		return b.positionInt, nil
	}
	v, err := s.ev.eval(b.position, self)
	if err != nil || v == nil {
		return 0, err
	}
	n, ok := wholeNumber(v)
	if !ok {
		return 0, fmt.Errorf("position gave %s; it must be an integer", describe(v))
	}
	return n, nil
}

// bind gives the leaves of a value. Tail is what follows the position in the
// key: the name of the input or field, or nothing for an item of a list.
func (s *stager) bind(b *binding, ty *Type, v any, tail []any) ([]word, error) {
	if v == nil {
		return nil, nil
	}
	var key []any
	if b != nil {
		position, err := s.position(b, v)
		if err != nil {
			return nil, err
		}
		key = append([]any{position}, tail...)
	}
	if ty.Kind == Union {
		ty = chosen(ty, v)
	}
	if b != nil && b.valueFrom != nil {
		return []word{{key: key, binding: b, value: v}}, nil
	}
	var inner []word
	var err error
	switch x := v.(type) {
	case []any:
		inner, err = s.bindItems(b, ty, x)
	case map[string]any:
		if _, isFileValue := isFile(x); !isFileValue {
			inner, err = s.bindFields(ty, x)
		}
	default:
		if b == nil && ty.binding != nil {
			return s.bind(ty.binding, &Type{Kind: ty.Kind}, v, tail)
		}
	}
	if err != nil {
		return nil, err
	}
	if b == nil {
		if m, isFileValue := isFile(v); isFileValue && ty.binding != nil {
			return s.bind(ty.binding, &Type{Kind: ty.Kind}, m, tail)
		}
		if ty.Kind == Record && ty.binding != nil {
			return s.bind(ty.binding, &Type{Kind: Record, Fields: ty.Fields}, v, tail)
		}
		return inner, nil
	}
	out := []word{{key: key, binding: b, value: v}}
	for _, w := range inner {
		w.key = append(append([]any{}, key...), w.key...)
		out = append(out, w)
	}
	return out, nil
}

func chosen(ty *Type, v any) *Type {
	for i := range ty.Options {
		if _, ok := coerce(&ty.Options[i], v); ok {
			return &ty.Options[i]
		}
	}
	return ty
}

// bindItems gives the leaves of a list's items. The list's type can have a
// binding for them; when the list itself stands on the command line without a
// separator, items stand there too.
func (s *stager) bindItems(b *binding, ty *Type, list []any) ([]word, error) {
	items := &Type{Kind: Any}
	var own *binding
	if ty.Kind == Array {
		items, own = ty.Items, ty.binding
	}
	if own == nil && b != nil && !b.hasSeparator {
		own = &binding{separate: true, quote: b.quote}
	}
	var out []word
	for i, e := range list {
		words, err := s.bind(own, items, e, nil)
		if err != nil {
			return nil, err
		}
		for _, w := range words {
			w.key = append([]any{int64(i)}, w.key...)
			out = append(out, w)
		}
	}
	return out, nil
}

func (s *stager) bindFields(ty *Type, m map[string]any) ([]word, error) {
	var out []word
	for i := range ty.Fields {
		f := &ty.Fields[i]
		words, err := s.bind(f.port.binding, &f.Type, m[f.Name], []any{f.Name})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		out = append(out, words...)
	}
	return out, nil
}

// words gives the arguments of one leaf.
func (s *stager) words(w *word) ([]string, error) {
	if w.text != nil {
		v, err := s.ev.eval(w.text, nil)
		if err != nil || v == nil {
			return nil, err
		}
		if list, ok := v.([]any); ok {
			return argumentTexts(list)
		}
		text, err := argumentText(v)
		return []string{text}, err
	}
	b, v := w.binding, w.value
	if b.valueFrom != nil {
		var err error
		if v, err = s.ev.eval(b.valueFrom, v); err != nil {
			return nil, err
		}
	}
	switch x := v.(type) {
	case nil:
		return nil, nil
	case bool:
		if x && b.hasPrefix {
			return []string{b.prefix}, nil
		}
		return nil, nil
	case []any:
		return b.listWords(x)
	case map[string]any:
		if _, ok := isFile(x); !ok {
			if b.hasPrefix {
				return []string{b.prefix}, nil
			}
			return nil, nil
		}
	}
	text, err := argumentText(v)
	if err != nil {
		return nil, err
	}
	return b.withPrefix(text), nil
}

func (b *binding) withPrefix(text string) []string {
	switch {
	case !b.hasPrefix:
		return []string{text}
	case b.separate:
		return []string{b.prefix, text}
	}
	return []string{b.prefix + text}
}

func (b *binding) listWords(list []any) ([]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if b.hasSeparator {
		texts, err := argumentTexts(list)
		if err != nil {
			return nil, err
		}
		return b.withPrefix(strings.Join(texts, b.separator)), nil
	}
	var out []string
	if b.hasPrefix {
		out = append(out, b.prefix)
	}
	if b.valueFrom != nil {
		texts, err := argumentTexts(list)
		return append(out, texts...), err
	}
	return out, nil
}

func argumentTexts(list []any) ([]string, error) {
	out := make([]string, 0, len(list))
	for _, e := range list {
		text, err := argumentText(e)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

func argumentText(v any) (string, error) {
	if m, ok := isFile(v); ok {
		p, _ := m["path"].(string)
		if p == "" {
			return "", fmt.Errorf("%s on the command line has no path", describe(v))
		}
		return p, nil
	}
	return plain(v), nil
}

// quoteShell makes one word of a shell command.
func quoteShell(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}
