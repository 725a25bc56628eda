package main

import (
	"encoding/xml"
	"strings"
	"time"
)

// event is what an event log says, newest last.
type event struct {
	Time   string `json:"time"`
	ID     int    `json:"id"`
	Level  string `json:"level"`
	Source string `json:"source"`
	Text   string `json:"text"`
}

// eventXML is the part of an event's XML that is used.
type eventXML struct {
	System struct {
		Provider struct {
			Name string `xml:"Name,attr"`
		}
		EventID     int
		Level       int
		TimeCreated struct {
			SystemTime string `xml:"SystemTime,attr"`
		}
	}
	EventData struct {
		Data []string
	}
}

// systemSources write about every service and program: theirs count only if they name ours.
var systemSources = []string{
	"Service Control Manager", "Application Error", "Windows Error Reporting", "Application Hang", "nssm",
}

func parseEvent(text string) (eventXML, error) {
	var found eventXML
	return found, xml.Unmarshal([]byte(text), &found)
}

// about tells whether an event speaks of the service: its own source, or one of its names in the data.
func (e eventXML) about(service string, names []string) bool {
	if strings.EqualFold(e.System.Provider.Name, service) {
		return true
	}
	for _, data := range e.EventData.Data {
		for _, name := range names {
			if name != "" && strings.Contains(strings.ToLower(data), strings.ToLower(name)) {
				return true
			}
		}
	}
	return false
}

// plain is the event as it is told; without the system's text its data stand for it.
func (e eventXML) plain(text string) event {
	if text == "" {
		text = strings.Join(e.EventData.Data, " ")
	}
	when := e.System.TimeCreated.SystemTime
	if parsed, err := time.Parse(time.RFC3339Nano, when); err == nil {
		when = parsed.UTC().Format(time.RFC3339)
	}
	return event{
		Time: when, ID: e.System.EventID, Level: levelName(e.System.Level),
		Source: e.System.Provider.Name, Text: strings.TrimSpace(text),
	}
}

func levelName(level int) string {
	switch level {
	case 1:
		return "critical"
	case 2:
		return "error"
	case 3:
		return "warning"
	}
	return "information"
}

// eventQuery is the XPath of the events that may speak of a service.
func eventQuery(service string, since int64) string {
	sources := []string{}
	for _, source := range append(systemSources, service) {
		if quoted := quoteXPath(source); quoted != "" {
			sources = append(sources, "@Name="+quoted)
		}
	}
	query := "Provider[" + strings.Join(sources, " or ") + "]"
	if since > 0 {
		query += " and TimeCreated[@SystemTime>='" + time.Unix(since, 0).UTC().Format("2006-01-02T15:04:05.000Z") + "']"
	}
	return "*[System[" + query + "]]"
}

// quoteXPath puts a text in quotes; XPath has no way to write both kinds in one text.
func quoteXPath(text string) string {
	for _, quote := range []string{"'", `"`} {
		if !strings.Contains(text, quote) {
			return quote + text + quote
		}
	}
	return ""
}
