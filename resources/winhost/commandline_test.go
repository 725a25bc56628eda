package main

import (
	"reflect"
	"testing"
)

func TestACommandLineIsTakenApart(t *testing.T) {
	there := map[string]bool{
		`C:\Program Files\My App\a.exe`: true, `C:\plain.exe`: true, `C:\Program Files\b.exe`: true,
	}
	for line, want := range map[string][]string{
		`"C:\Program Files\My App\a.exe" -c "x y"`: {`C:\Program Files\My App\a.exe`, "-c", "x y"},
		`C:\Program Files\My App\a.exe -c "x y"`:   {`C:\Program Files\My App\a.exe`, "-c", "x y"},
		`C:\Program Files\My App\a.exe`:            {`C:\Program Files\My App\a.exe`},
		`C:\Program Files\b -v`:                    {`C:\Program Files\b`, "-v"},
		`C:\plain.exe  1	2 `:                       {`C:\plain.exe`, "1", "2"},
		`C:\missing\x.exe a b`:                     {`C:\missing\x.exe`, "a", "b"},
		`C:\missing.exe`:                           {`C:\missing.exe`},
		`"C:\中 文\程序.exe" "say \"hi\"" "a\\" "b\\\"c" "" d\e`: {
			`C:\中 文\程序.exe`, `say "hi"`, `a\`, `b\"c`, "", `d\e`,
		},
		`"a" "x""y" z"q q"z`: {"a", `x"y`, "zq qz"},
	} {
		program, arguments := programOf(line, func(path string) bool { return there[path] })
		if got := append([]string{program}, arguments...); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q instead of %q", line, got, want)
		}
	}
}

func TestWhoRunsAService(t *testing.T) {
	for _, one := range []struct {
		program   string
		arguments []string
		kind      string
	}{
		{`C:\Program Files\Slipway\slipway-host-0123456789ab.exe`, []string{"serve", "run.json"}, "wrapped"},
		{`C:\Program Files\Slipway\Slipway-Host.EXE`, []string{"serve", "run.json"}, "wrapped"},
		{`C:\x\slipway-host.exe`, []string{"version"}, "plain"},
		{`C:\tools\NSSM.exe`, nil, "nssm"},
		{`C:\tools\nssm64.exe`, nil, "nssm"},
		{`C:\nssm\app.exe`, nil, "plain"},
		{`C:\x\hello.exe`, []string{"serve", "run.json"}, "plain"},
	} {
		if kind := kindOf(one.program, one.arguments); kind != one.kind {
			t.Error(one.program, kind)
		}
	}
}
