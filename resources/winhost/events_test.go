package main

import (
	"strings"
	"testing"
)

const stoppedEvent = `<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>
<Provider Name='Service Control Manager' Guid='{555908d1}' EventSourceName='Service Control Manager'/>
<EventID Qualifiers='49152'>7034</EventID><Level>2</Level>
<TimeCreated SystemTime='2026-11-20T14:30:00.1234567Z'/></System>
<EventData><Data Name='param1'>Hello 服务</Data><Data Name='param2'>3</Data></EventData></Event>`

func TestAnEventIsUnderstood(t *testing.T) {
	parsed, err := parseEvent(stoppedEvent)
	if err != nil {
		t.Fatal(err)
	}
	if !parsed.about("hello", []string{"hello", "HELLO 服务", ""}) || parsed.about("other", []string{"other", ""}) {
		t.Fatal("about whom?")
	}
	want := event{"2026-11-20T14:30:00Z", 7034, "error", "Service Control Manager", "Hello 服务 3"}
	if got := parsed.plain(""); got != want {
		t.Fatal(got)
	}
	if got := parsed.plain("It stopped.\r\n"); got.Text != "It stopped." {
		t.Fatal(got)
	}
}

func TestEventsAreAskedForByTheirSources(t *testing.T) {
	query := eventQuery("it's", 1790000000)
	for _, part := range []string{`@Name="it's"`, `@Name='Application Error'`, `TimeCreated[@SystemTime>='2026-09-21T14:13:20.000Z']`} {
		if !strings.Contains(query, part) {
			t.Error(query)
		}
	}
	if query := eventQuery(`'"`, 0); strings.Contains(query, `'"'`) || strings.Contains(query, "TimeCreated") {
		t.Error(query)
	}
}
