package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

const servicesKey = `SYSTEM\CurrentControlSet\Services\`

// What the service control manager keeps in a service's key and sets through functions of its own,
// in small letters; Environment has its own place in a Service.
var (
	managerValues = wordSet("imagepath objectname start type errorcontrol displayname description " +
		"dependonservice dependongroup group tag failureactions failurecommand rebootmessage " +
		"failureactionsonnoncrashfailures delayedautostart servicesidtype requiredprivileges " +
		"preshutdowntimeout launchprotected wow64 deleteflag environment")
	managerKeys = wordSet("security enum triggerinfo")
)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(words) {
		set[word] = true
	}
	return set
}

// tree is a registry key with all below.
type tree struct {
	Values map[string]value `json:"values"`
	Keys   map[string]tree  `json:"keys"`
}

// value is a registry value; data is a text, a number, a list of texts or hex.
type value struct {
	Type string `json:"type"`
	Data any    `json:"data"`
}

var valueTypes = map[string]uint32{
	"REG_NONE": registry.NONE, "REG_SZ": registry.SZ, "REG_EXPAND_SZ": registry.EXPAND_SZ,
	"REG_BINARY": registry.BINARY, "REG_DWORD": registry.DWORD,
	"REG_DWORD_BIG_ENDIAN": registry.DWORD_BIG_ENDIAN, "REG_LINK": registry.LINK,
	"REG_MULTI_SZ": registry.MULTI_SZ, "REG_RESOURCE_LIST": registry.RESOURCE_LIST,
	"REG_FULL_RESOURCE_DESCRIPTOR":   registry.FULL_RESOURCE_DESCRIPTOR,
	"REG_RESOURCE_REQUIREMENTS_LIST": registry.RESOURCE_REQUIREMENTS_LIST, "REG_QWORD": registry.QWORD,
}

func typeName(kind uint32) string {
	for name, known := range valueTypes {
		if known == kind {
			return name
		}
	}
	return fmt.Sprintf("REG_%d", kind)
}

func typeNumber(name string) (uint32, error) {
	if kind, known := valueTypes[name]; known {
		return kind, nil
	}
	var kind uint32
	if _, err := fmt.Sscanf(name, "REG_%d", &kind); err != nil {
		return 0, usage("unknown type of a registry value: " + name)
	}
	return kind, nil
}

func openKey(path string, access uint32) (registry.Key, error) {
	return registry.OpenKey(registry.LOCAL_MACHINE, path, access)
}

// readTree reads a service's key without what the service control manager keeps there.
func readTree(service string) (tree, error) {
	key, err := openKey(servicesKey+service, registry.READ)
	if err != nil {
		return tree{}, err
	}
	defer key.Close()
	return readKey(key, managerValues, managerKeys)
}

func readKey(key registry.Key, skipValues, skipKeys map[string]bool) (tree, error) {
	found := tree{map[string]value{}, map[string]tree{}}
	names, err := key.ReadValueNames(-1)
	if err != nil {
		return found, err
	}
	for _, name := range names {
		if skipValues[strings.ToLower(name)] {
			continue
		}
		if found.Values[name], err = readValue(key, name); err != nil {
			return found, err
		}
	}
	names, err = key.ReadSubKeyNames(-1)
	if err != nil {
		return found, err
	}
	for _, name := range names {
		if skipKeys[strings.ToLower(name)] {
			continue
		}
		below, err := registry.OpenKey(key, name, registry.READ)
		if err != nil {
			return found, err
		}
		found.Keys[name], err = readKey(below, nil, nil)
		below.Close()
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

func readValue(key registry.Key, name string) (value, error) {
	size, kind, err := key.GetValue(name, nil)
	if err != nil {
		return value{}, err
	}
	found := value{Type: typeName(kind)}
	switch kind {
	case registry.SZ, registry.EXPAND_SZ:
		found.Data, _, err = key.GetStringValue(name)
	case registry.MULTI_SZ:
		found.Data, err = multiValue(key, name)
	case registry.DWORD, registry.QWORD:
		found.Data, _, err = key.GetIntegerValue(name)
	default:
		data := make([]byte, size)
		if size > 0 {
			_, _, err = key.GetValue(name, data)
		}
		found.Data = hex.EncodeToString(data)
	}
	return found, err
}

func multiValue(key registry.Key, name string) ([]string, error) {
	texts, _, err := key.GetStringsValue(name)
	if texts == nil {
		texts = []string{}
	}
	return texts, err
}

// writeTree makes a service's key exactly so, but for what the service control manager keeps there.
func writeTree(service string, wanted tree) error {
	key, err := openKey(servicesKey+service, registry.READ|registry.WRITE)
	if err != nil {
		return err
	}
	defer key.Close()
	return writeKey(key, wanted, managerValues, managerKeys)
}

func writeKey(key registry.Key, wanted tree, skipValues, skipKeys map[string]bool) error {
	names, err := key.ReadValueNames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, kept := lookup(wanted.Values, name); !kept && !skipValues[strings.ToLower(name)] {
			if err := key.DeleteValue(name); err != nil {
				return err
			}
		}
	}
	for name, one := range wanted.Values {
		if skipValues[strings.ToLower(name)] {
			continue
		}
		if err := writeValue(key, name, one); err != nil {
			return err
		}
	}
	return writeKeysBelow(key, wanted, skipKeys)
}

func writeKeysBelow(key registry.Key, wanted tree, skipKeys map[string]bool) error {
	names, err := key.ReadSubKeyNames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, kept := lookup(wanted.Keys, name); !kept && !skipKeys[strings.ToLower(name)] {
			if err := deleteKey(key, name); err != nil {
				return err
			}
		}
	}
	for name, one := range wanted.Keys {
		if skipKeys[strings.ToLower(name)] {
			continue
		}
		below, _, err := registry.CreateKey(key, name, registry.READ|registry.WRITE)
		if err != nil {
			return err
		}
		err = writeKey(below, one, nil, nil)
		below.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func lookup[V any](in map[string]V, name string) (V, bool) {
	for known, one := range in {
		if strings.EqualFold(known, name) {
			return one, true
		}
	}
	var none V
	return none, false
}

func writeValue(key registry.Key, name string, one value) error {
	kind, err := typeNumber(one.Type)
	if err != nil {
		return err
	}
	switch kind {
	case registry.SZ, registry.EXPAND_SZ:
		text, err := as[string](name, one)
		if err != nil {
			return err
		}
		if kind == registry.SZ {
			return key.SetStringValue(name, text)
		}
		return key.SetExpandStringValue(name, text)
	case registry.MULTI_SZ:
		texts, err := as[[]string](name, one)
		if err != nil {
			return err
		}
		return key.SetStringsValue(name, texts)
	case registry.DWORD:
		number, err := as[uint32](name, one)
		if err != nil {
			return err
		}
		return key.SetDWordValue(name, number)
	case registry.QWORD:
		number, err := as[uint64](name, one)
		if err != nil {
			return err
		}
		return key.SetQWordValue(name, number)
	}
	return writeBytes(key, name, kind, one)
}

// as reads a value's data, which JSON left open, as what its type says.
func as[T any](name string, one value) (T, error) {
	var data T
	text, err := json.Marshal(one.Data)
	if err == nil {
		err = json.Unmarshal(text, &data)
	}
	if err != nil {
		return data, usage("registry value " + name + " is not of type " + one.Type)
	}
	return data, nil
}

func writeBytes(key registry.Key, name string, kind uint32, one value) error {
	text, err := as[string](name, one)
	if err != nil {
		return err
	}
	data, err := hex.DecodeString(text)
	if err != nil {
		return usage("registry value " + name + " is not hex")
	}
	wide, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return err
	}
	var first *byte
	if len(data) > 0 {
		first = &data[0]
	}
	status, _, _ := procRegSetValueEx.Call(uintptr(key), uintptr(unsafe.Pointer(wide)), 0, uintptr(kind),
		uintptr(unsafe.Pointer(first)), uintptr(len(data)))
	if status != 0 {
		return windows.Errno(status)
	}
	return nil
}

var procRegSetValueEx = advapi32.NewProc("RegSetValueExW")

// deleteKey removes a key and all below.
func deleteKey(above registry.Key, name string) error {
	key, err := registry.OpenKey(above, name, registry.READ|registry.WRITE)
	if err != nil {
		return err
	}
	names, err := key.ReadSubKeyNames(-1)
	for _, below := range names {
		err = errors.Join(err, deleteKey(key, below))
	}
	key.Close()
	if err != nil {
		return err
	}
	return registry.DeleteKey(above, name)
}

// sameTree compares what is wanted with what is there.
func sameTree(wanted, found tree) bool {
	return reflect.DeepEqual(wanted.plain(), found.plain())
}

// plain is the tree with names in small letters and numbers as JSON writes them.
func (t tree) plain() map[string]any {
	values, keys := map[string]any{}, map[string]any{}
	for name, one := range t.Values {
		text, err := json.Marshal(one)
		if err != nil {
			text = []byte(err.Error())
		}
		values[strings.ToLower(name)] = string(text)
	}
	for name, one := range t.Keys {
		keys[strings.ToLower(name)] = one.plain()
	}
	return map[string]any{"values": values, "keys": keys}
}

// environment is a service's own, "K=V" each.
func environment(service string) ([]string, error) {
	key, err := openKey(servicesKey+service, registry.READ)
	if err != nil {
		return nil, err
	}
	defer key.Close()
	lines, err := multiValue(key, "Environment")
	if errors.Is(err, registry.ErrNotExist) {
		return []string{}, nil
	}
	return lines, err
}

// setLines writes a list of texts, or removes it if it is empty: an empty Environment makes every
// start of its service fail with error 87.
func setLines(path, name string, lines []string) error {
	key, _, err := registry.CreateKey(registry.LOCAL_MACHINE, path, registry.READ|registry.WRITE)
	if err != nil {
		return err
	}
	defer key.Close()
	if len(lines) > 0 {
		return key.SetStringsValue(name, lines)
	}
	err = key.DeleteValue(name)
	if errors.Is(err, registry.ErrNotExist) {
		return nil
	}
	return err
}
