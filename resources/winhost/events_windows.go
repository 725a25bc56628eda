package main

import (
	"sort"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	wevtapi                      = windows.NewLazySystemDLL("wevtapi.dll")
	procEvtQuery                 = wevtapi.NewProc("EvtQuery")
	procEvtNext                  = wevtapi.NewProc("EvtNext")
	procEvtRender                = wevtapi.NewProc("EvtRender")
	procEvtOpenPublisherMetadata = wevtapi.NewProc("EvtOpenPublisherMetadata")
	procEvtFormatMessage         = wevtapi.NewProc("EvtFormatMessage")
	procEvtClose                 = wevtapi.NewProc("EvtClose")
	procOpenEventLog             = advapi32.NewProc("OpenEventLogW")
	procReadEventLog             = advapi32.NewProc("ReadEventLogW")
	procCloseEventLog            = advapi32.NewProc("CloseEventLog")
)

const (
	queryChannelPath      = 0x1
	queryReverseDirection = 0x200
	renderEventXML        = 1
	formatMessageEvent    = 1
	eventWait             = 2000 // ms
	// How many events are looked at: a busy server writes thousands that are not ours.
	mostEvents = 20000
)

var eventLogs = []string{"System", "Application"}

func runEvents(call *session) error {
	name := call.take()
	count, err := whole(call.take())
	if err != nil {
		return err
	}
	since := int64(0)
	switch {
	case len(call.args) == 2 && call.args[0] == "since":
		if since, err = whole(call.args[1]); err != nil {
			return err
		}
	case len(call.args) != 0:
		return errUsage
	}
	asked := eventsAsked{name, namesInEvents(name), int(count), since}
	found := []event{}
	for _, channel := range eventLogs {
		events, err := asked.query(channel)
		if cannotSay(err) {
			events, err = asked.classic(channel)
		}
		if err != nil {
			return failing("read the event log "+channel, err)
		}
		found = append(found, events...)
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].Time < found[j].Time })
	for _, one := range found[max(0, len(found)-asked.count):] {
		if err := call.answer(one); err != nil {
			return err
		}
	}
	return nil
}

// eventsAsked is what is looked for in the event logs.
type eventsAsked struct {
	service string
	names   []string
	count   int
	since   int64
}

// namesInEvents are the names under which Windows may speak of a service and its program.
func namesInEvents(service string) []string {
	names := []string{service}
	facts, err := lookAt(service)
	if err != nil {
		return names
	}
	names = append(names, facts.DisplayName)
	switch {
	case facts.NSSM != nil:
		names = append(names, baseName(facts.NSSM.Application))
	case facts.Run != "":
		if config, err := readRun(facts.Run); err == nil {
			names = append(names, baseName(config.Program))
		}
	default:
		names = append(names, baseName(facts.Program))
	}
	return names
}

// query reads a log from its end, newest first.
func (a eventsAsked) query(channel string) ([]event, error) {
	if err := procEvtQuery.Find(); err != nil {
		return nil, windows.ERROR_CALL_NOT_IMPLEMENTED
	}
	wide, err := wideTexts(channel, eventQuery(a.service, a.since))
	if err != nil {
		return nil, err
	}
	result, _, err := procEvtQuery.Call(0, uintptr(unsafe.Pointer(wide[0])), uintptr(unsafe.Pointer(wide[1])),
		queryChannelPath|queryReverseDirection)
	if result == 0 {
		return nil, unlessSilent(err)
	}
	defer procEvtClose.Call(result)
	found := []event{}
	for seen := 0; seen < mostEvents && len(found) < a.count; seen++ {
		var one windows.Handle
		var returned uint32
		done, _, err := procEvtNext.Call(result, 1, uintptr(unsafe.Pointer(&one)), eventWait, 0,
			uintptr(unsafe.Pointer(&returned)))
		if done == 0 || returned == 0 {
			if oneOf(err, windows.ERROR_NO_MORE_ITEMS, windows.ERROR_TIMEOUT) || done != 0 {
				break
			}
			return nil, unlessSilent(err)
		}
		read, ours, err := a.read(one)
		procEvtClose.Call(uintptr(one))
		if err != nil {
			return nil, err
		}
		if ours {
			found = append(found, read)
		}
	}
	return found, nil
}

func (a eventsAsked) read(one windows.Handle) (read event, ours bool, err error) {
	buffer, err := grow(func(buffer *byte, size uint32, needed *uint32) error {
		var properties uint32
		done, _, err := procEvtRender.Call(0, uintptr(one), renderEventXML, uintptr(size),
			uintptr(unsafe.Pointer(buffer)), uintptr(unsafe.Pointer(needed)), uintptr(unsafe.Pointer(&properties)))
		if done == 0 {
			return err
		}
		return nil
	})
	if err != nil {
		return event{}, false, err
	}
	parsed, err := parseEvent(windows.UTF16PtrToString((*uint16)(unsafe.Pointer(&buffer[0]))))
	if err != nil || !parsed.about(a.service, a.names) {
		return event{}, false, nil // what can't be understood is not about us
	}
	return parsed.plain(message(parsed.System.Provider.Name, one)), true, nil
}

// unlessSilent: a function that fails without saying why is not really there.
func unlessSilent(err error) error {
	if oneOf(err, windows.NO_ERROR) {
		return windows.ERROR_CALL_NOT_IMPLEMENTED
	}
	return err
}

// message is an event's text in Windows' language; "" if its source left none behind.
func message(source string, one windows.Handle) string {
	wide, err := windows.UTF16PtrFromString(source)
	if err != nil {
		return ""
	}
	publisher, _, _ := procEvtOpenPublisherMetadata.Call(0, uintptr(unsafe.Pointer(wide)), 0, 0, 0)
	if publisher == 0 {
		return ""
	}
	defer procEvtClose.Call(publisher)
	var used uint32
	text := make([]uint16, 16384)
	done, _, _ := procEvtFormatMessage.Call(publisher, uintptr(one), 0, 0, 0, formatMessageEvent,
		uintptr(len(text)), uintptr(unsafe.Pointer(&text[0])), uintptr(unsafe.Pointer(&used)))
	if done == 0 {
		return ""
	}
	return windows.UTF16ToString(text)
}

// record is the beginning of an EVENTLOGRECORD of the classic API.
type record struct {
	Length, Reserved, Number, Generated, Written, EventID uint32
	Type, Strings, Category, ReservedFlags                uint16
	ClosingNumber, StringOffset, SIDLength, SIDOffset     uint32
	DataLength, DataOffset                                uint32
}

const (
	readSequentially = 0x1
	readBackwards    = 0x8
)

// classic reads a log through the API that Windows had before; texts are the events' own strings.
func (a eventsAsked) classic(channel string) ([]event, error) {
	wide, err := windows.UTF16PtrFromString(channel)
	if err != nil {
		return nil, err
	}
	log, _, err := procOpenEventLog.Call(0, uintptr(unsafe.Pointer(wide)))
	if log == 0 {
		return nil, err
	}
	defer procCloseEventLog.Call(log)
	found := []event{}
	words := make([]uint64, 1<<13) // aligned, and as large as Windows allows
	for seen := 0; seen < mostEvents && len(found) < a.count; {
		var read, needed uint32
		done, _, err := procReadEventLog.Call(log, readSequentially|readBackwards, 0, uintptr(unsafe.Pointer(&words[0])),
			uintptr(len(words)*8), uintptr(unsafe.Pointer(&read)), uintptr(unsafe.Pointer(&needed)))
		if done == 0 || read == 0 {
			if done != 0 || oneOf(err, windows.ERROR_HANDLE_EOF) {
				break
			}
			return nil, unlessSilent(err)
		}
		buffer := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), read)
		for at := uint32(0); at+uint32(unsafe.Sizeof(record{})) < read; seen++ {
			length := (*record)(unsafe.Pointer(&buffer[at])).Length
			if length == 0 {
				break
			}
			one, when := classicEvent(buffer[at:min(at+length, read)])
			if when >= a.since && a.classicOurs(one) {
				found = append(found, one.plain(""))
			}
			at += length
		}
	}
	return found, nil
}

func (a eventsAsked) classicOurs(one eventXML) bool {
	for _, source := range append(systemSources, a.service) {
		if strings.EqualFold(one.System.Provider.Name, source) {
			return one.about(a.service, a.names)
		}
	}
	return false
}

func classicEvent(data []byte) (eventXML, int64) {
	head := (*record)(unsafe.Pointer(&data[0]))
	var one eventXML
	text := func(from int) (string, int) {
		units := []uint16{}
		for ; from+1 < len(data); from += 2 {
			unit := uint16(data[from]) | uint16(data[from+1])<<8
			if unit == 0 {
				break
			}
			units = append(units, unit)
		}
		return windows.UTF16ToString(units), from + 2
	}
	one.System.Provider.Name, _ = text(int(unsafe.Sizeof(record{})))
	one.System.EventID = int(head.EventID & 0xffff)
	one.System.Level = map[uint16]int{1: 2, 2: 3}[head.Type] // error, warning
	one.System.TimeCreated.SystemTime = time.Unix(int64(head.Generated), 0).UTC().Format(time.RFC3339)
	from := int(head.StringOffset)
	for count := uint16(0); count < head.Strings; count++ {
		var data string
		data, from = text(from)
		one.EventData.Data = append(one.EventData.Data, data)
	}
	return one, int64(head.Generated)
}
