; The folder on the PATH, as the registry has it. By Windows' own functions: a string of NSIS ends at
; 1024 characters, and what is longer than that would be lost.

!macro DeleteIfEmpty Key
  DeleteRegKey /ifnosubkeys /ifnovalues SHCTX "${Key}"
!macroend

!macro PathFunctions
  ; Takes two texts from the stack: the folder, above it "add" or "remove". What is so already stays
  ; as it is.
  ; $0 folder, $1 what to do, $2 the key, $3 the value's type, $4 its bytes, $5 error,
  ; $6 ";first;second;" with a separator around every folder, $7 a place in it, $8 a length
  Function ${UN}EditPath
    System::Store S
    Pop $1
    Pop $0
    ${If} $ForAll = 1
      System::Call 'advapi32::RegCreateKeyExW(p 0x80000002, w "SYSTEM\CurrentControlSet\Control\Session Manager\Environment", i 0, p 0, i 0, i 3, p 0, *p .r2, p 0) i .r5'
    ${Else}
      System::Call 'advapi32::RegCreateKeyExW(p 0x80000001, w "Environment", i 0, p 0, i 0, i 3, p 0, *p .r2, p 0) i .r5'
    ${EndIf}
    ${If} $5 <> 0
      System::Store L
      Return
    ${EndIf}
    System::Call 'advapi32::RegQueryValueExW(p r2, w "Path", p 0, *i .r3, p 0, *i .r4) i .r5'
    ${If} $5 = 2  ; there is none
      StrCpy $3 2  ; text with names of variables in it
      StrCpy $4 0
      StrCpy $5 0
    ${EndIf}
    ${If} $5 = 0
    ${AndIf} $3 >= 1
    ${AndIf} $3 <= 2
      Call ${UN}EditValue
    ${EndIf}
    System::Call 'advapi32::RegCloseKey(p r2)'
    System::Store L
    SendMessage ${HWND_BROADCAST} ${WM_SETTINGCHANGE} 0 "STR:Environment" /TIMEOUT=5000
  FunctionEnd

  Function ${UN}EditValue
    StrLen $8 $0
    IntOp $8 $8 * 2
    IntOp $8 $8 + $4
    IntOp $8 $8 + 16
    System::Alloc $8  ; full of zeros
    Pop $6
    System::Call '*$6(&i2 59)'
    IntPtrOp $7 $6 + 2
    System::Call 'advapi32::RegQueryValueExW(p r2, w "Path", p 0, p 0, p r7, *i r4)'
    Call ${UN}EndWithSeparator
    System::Call 'shlwapi::StrStrIW(p r6, w ";$0;") p .r7'
    ${If} $1 == "add"
    ${AndIf} $7 P= 0
      System::Call 'kernel32::lstrcatW(p r6, w "$0;")'
      Call ${UN}WriteValue
    ${ElseIf} $1 == "remove"
    ${AndIf} $7 P<> 0
      ${DoWhile} $7 P<> 0
        StrLen $8 ";$0"
        IntOp $8 $8 * 2
        IntPtrOp $5 $7 + $8
        System::Call 'kernel32::lstrlenW(p r5) i .r8'
        IntOp $8 $8 + 1
        IntOp $8 $8 * 2
        System::Call 'ntdll::memmove(p r7, p r5, p r8)'
        System::Call 'shlwapi::StrStrIW(p r6, w ";$0;") p .r7'
      ${Loop}
      Call ${UN}WriteValue
    ${EndIf}
    System::Free $6
  FunctionEnd

  Function ${UN}EndWithSeparator
    System::Call 'kernel32::lstrlenW(p r6) i .r8'
    IntOp $8 $8 - 1
    IntOp $8 $8 * 2
    IntPtrOp $7 $6 + $8
    System::Call '*$7(&i2 .r8)'
    ${If} $8 <> 59
      System::Call 'kernel32::lstrcatW(p r6, w ";")'
    ${EndIf}
  FunctionEnd

  ; Writes back what is between the first and the last separator; nothing left is no value.
  Function ${UN}WriteValue
    System::Call 'kernel32::lstrlenW(p r6) i .r8'
    ${If} $8 < 3
      System::Call 'advapi32::RegDeleteValueW(p r2, w "Path")'
      Return
    ${EndIf}
    IntOp $8 $8 - 1
    IntOp $8 $8 * 2
    IntPtrOp $7 $6 + $8
    System::Call '*$7(&i2 0)'
    IntPtrOp $7 $6 + 2
    System::Call 'advapi32::RegSetValueExW(p r2, w "Path", i 0, i r3, p r7, i r8)'
  FunctionEnd
!macroend
