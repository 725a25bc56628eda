package main

import "strings"

// programOf takes the program and its arguments out of a service's command line.
func programOf(line string, exists func(string) bool) (string, []string) {
	program, rest := cutProgram(line, exists)
	return program, splitWords(rest)
}

// cutProgram finds the program as CreateProcess does: a path without quotes ends at the first
// blank where a file of that name exists.
func cutProgram(line string, exists func(string) bool) (program, rest string) {
	line = strings.TrimLeft(line, " \t")
	if strings.HasPrefix(line, `"`) {
		program, rest, _ = strings.Cut(line[1:], `"`)
		return program, rest
	}
	for end := 0; end <= len(line); end++ {
		if end < len(line) && line[end] != ' ' && line[end] != '\t' {
			continue
		}
		if exists(line[:end]) || exists(line[:end]+".exe") {
			return line[:end], line[end:]
		}
	}
	if end := strings.IndexAny(line, " \t"); end >= 0 {
		return line[:end], line[end:]
	}
	return line, ""
}

// splitWords takes arguments apart as the C runtime and Go do.
func splitWords(line string) []string {
	words := []string{}
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return words
		}
		var word string
		word, line = nextWord(line)
		words = append(words, word)
	}
}

// nextWord reads one argument: 2n backslashes before a quote are n of them and the quote counts,
// 2n+1 are n and the quote is a letter; two quotes inside quotes are one.
func nextWord(line string) (word, rest string) {
	var out strings.Builder
	quoted := false
	for at := 0; at < len(line); {
		switch letter := line[at]; {
		case letter == '\\':
			count := len(line[at:]) - len(strings.TrimLeft(line[at:], `\`))
			at += count
			if at == len(line) || line[at] != '"' {
				out.WriteString(strings.Repeat(`\`, count))
				continue
			}
			out.WriteString(strings.Repeat(`\`, count/2))
			if count%2 == 1 {
				out.WriteByte('"')
				at++
			}
		case letter == '"':
			if quoted && strings.HasPrefix(line[at+1:], `"`) {
				out.WriteByte('"')
				at++
			} else {
				quoted = !quoted
			}
			at++
		case !quoted && (letter == ' ' || letter == '\t'):
			return out.String(), line[at:]
		default:
			out.WriteByte(letter)
			at++
		}
	}
	return out.String(), ""
}

// baseName is a Windows path's last part in small letters.
func baseName(path string) string {
	return strings.ToLower(path[strings.LastIndexAny(path, `\/`)+1:])
}

// kindOf tells who runs a service's program: our host ("wrapped"), NSSM, or the program itself.
func kindOf(program string, arguments []string) string {
	base := baseName(program)
	switch {
	case !strings.HasSuffix(base, ".exe"):
		return "plain"
	case strings.HasPrefix(base, "slipway-host") && len(arguments) == 2 && arguments[0] == "serve":
		return "wrapped"
	case strings.HasPrefix(base, "nssm"):
		return "nssm"
	}
	return "plain"
}
