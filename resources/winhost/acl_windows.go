package main

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"unicode/utf16"

	"golang.org/x/sys/windows"
)

// Lists in SDDL name accounts by their SIDs: names differ with Windows' language.
const (
	rootSDDL   = "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
	folderSDDL = "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;;0x1200a9;;;BU)"

	readRights   = 0x1200a9 // read and execute
	modifyRights = 0x1301bf
)

// setDACL gives an object the list of access rights in sddl, inherited further down.
func setDACL(name string, kind windows.SE_OBJECT_TYPE, sddl string) error {
	descriptor, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		return err
	}
	list, _, err := descriptor.DACL()
	if err != nil {
		return err
	}
	control, _, err := descriptor.Control()
	if err != nil {
		return err
	}
	what := windows.SECURITY_INFORMATION(windows.DACL_SECURITY_INFORMATION)
	if control&windows.SE_DACL_PROTECTED != 0 {
		what |= windows.PROTECTED_DACL_SECURITY_INFORMATION
	} else {
		what |= windows.UNPROTECTED_DACL_SECURITY_INFORMATION
	}
	return windows.SetNamedSecurityInfo(name, kind, what, nil, nil, list, nil)
}

// protectRoot gives a folder the records' own list unless it has one of its own already.
func protectRoot(path string) error {
	now, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err == nil {
		if control, _, err := now.Control(); err == nil && control&windows.SE_DACL_PROTECTED != 0 {
			return nil
		}
	}
	return setDACL(path, windows.SE_FILE_OBJECT, rootSDDL)
}

// grant adds an account's rights to a folder's (or file's) list and all below.
func grant(path, account string, rights uint32) error {
	sid, err := accountSID(account)
	if err != nil {
		return err
	}
	at, err := os.Stat(path)
	if err != nil {
		return err
	}
	inheritance := uint32(windows.NO_INHERITANCE)
	if at.IsDir() {
		inheritance = windows.SUB_CONTAINERS_AND_OBJECTS_INHERIT
	}
	now, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	old, _, err := now.DACL()
	if err != nil {
		return err
	}
	list, err := windows.ACLFromEntries([]windows.EXPLICIT_ACCESS{{
		AccessPermissions: windows.ACCESS_MASK(rights),
		AccessMode:        windows.SET_ACCESS,
		Inheritance:       inheritance,
		Trustee: windows.TRUSTEE{
			TrusteeForm:  windows.TRUSTEE_IS_SID,
			TrusteeValue: windows.TrusteeValueFromSID(sid),
		},
	}}, old)
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION, nil, nil, list, nil)
}

// accountSID finds the SID of an account in the words of a Definition or of Windows.
func accountSID(account string) (*windows.SID, error) {
	known := map[string]string{
		"localsystem":                 "S-1-5-18",
		"localservice":                "S-1-5-19",
		`nt authority\localservice`:   "S-1-5-19",
		"networkservice":              "S-1-5-20",
		`nt authority\networkservice`: "S-1-5-20",
	}
	lower := strings.ToLower(account)
	if text, found := known[lower]; found {
		return windows.StringToSid(text)
	}
	if strings.HasPrefix(lower, `nt service\`) {
		return windows.StringToSid(serviceSID(account[len(`nt service\`):]))
	}
	if strings.HasPrefix(account, `.\`) {
		host, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		account = host + account[1:]
	}
	sid, _, _, err := windows.LookupSID("", account)
	return sid, err
}

// serviceSID is the SID of a virtual account, which exists before its service does: the SHA-1 of
// the service's name in capitals.
func serviceSID(service string) string {
	hash := sha1.New()
	for _, unit := range utf16.Encode([]rune(strings.ToUpper(service))) {
		hash.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	sum := hash.Sum(nil)
	text := "S-1-5-80"
	for at := 0; at < len(sum); at += 4 {
		text += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(sum[at:]))
	}
	return text
}

// keyPath is a service's registry key in the words of the security functions.
func keyPath(service string) string { return `MACHINE\` + servicesKey + service }

// keySDDL is the list of a service's registry key; "" where Windows can't say.
func keySDDL(service string) string {
	now, err := windows.GetNamedSecurityInfo(keyPath(service), windows.SE_REGISTRY_KEY, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return ""
	}
	return now.String()
}

// restrictKey lets only SYSTEM and Administrators read a service's registry key, and its own
// account, for a program like NSSM reads its settings there.
func restrictKey(service, account string) error {
	sddl := "D:PAI(A;CI;KA;;;SY)(A;CI;KA;;;BA)"
	sid, err := accountSID(account)
	if err != nil {
		return err
	}
	if text := sid.String(); text != "S-1-5-18" {
		sddl += "(A;CI;KR;;;" + text + ")"
	}
	return setDACL(keyPath(service), windows.SE_REGISTRY_KEY, sddl)
}
