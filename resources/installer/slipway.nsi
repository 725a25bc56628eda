; The installer for Windows: resources/package/installer.py has makensis make it.
; For one user without administrator rights, or for all (/ALLUSERS). /S: no questions; /PATH: the
; command on the PATH; /D=folder, last and unquoted: another folder.
;
; Exit codes beside NSIS' own 0, 1 (cancelled) and 2 (failed):
!define CODE_RUNS 32         ; Slipway is running
!define CODE_RIGHTS 740      ; needs administrator rights
!define CODE_FOLDER 145      ; the folder holds something else
!define CODE_WINDOWS 1150    ; Windows is too old

Target amd64-unicode
SetCompressor /SOLID lzma
SetCompressorDictSize 32
RequestExecutionLevel user
ManifestDPIAware true
ManifestLongPathAware true
ManifestSupportedOS Win10
AllowSkipFiles off

!include LogicLib.nsh
!include FileFunc.nsh
!include WinVer.nsh
!include WinMessages.nsh
!include nsDialogs.nsh
!include MUI2.nsh

!define WINDOW "Slipway Wizard.exe"
!define COMMAND "slipway.exe"
!define UNINSTALLER "uninstall.exe"
!define OLD "before-update"
!define UNINSTALL_KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\Slipway"
!define CLASSES "Software\Classes"
!define PROFILE_CLASS "Slipway.Profile"
!define VERB "${CLASSES}\SystemFileAssociations\.toml\shell\Slipway"
!define APPLICATION "${CLASSES}\Applications\${WINDOW}"
!define SHCNE_ASSOCCHANGED 0x08000000

Name "Slipway"
OutFile "${OUTPUT}"
BrandingText "Slipway ${VERSION}"
VIProductVersion "${VERSION_NUMBERS}"
VIAddVersionKey ProductName "Slipway"
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey FileVersion "${VERSION}"
VIAddVersionKey FileDescription "Slipway installer"
VIAddVersionKey CompanyName "Slipway"
VIAddVersionKey LegalCopyright "Apache-2.0"
!ifdef SIGN
  !uninstfinalize '${SIGN} "%1"' = 0
!endif

Var ForAll     ; 1: for all users of the computer
Var OnPath     ; 1: the folder is to be on the PATH
Var OwnData    ; where this user's settings and history are
Var Upgrades   ; 1: an older version was set aside

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_ABORTWARNING
Page custom ShowChoices LeaveChoices
!define MUI_PAGE_CUSTOMFUNCTION_LEAVE CheckFolder
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!define MUI_FINISHPAGE_NOAUTOCLOSE
!define MUI_FINISHPAGE_RUN "$INSTDIR\${WINDOW}"
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES

!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "SimpChinese"
!include words.nsh
!include path.nsh

; Says something: in a dialog, or without one where the program was started.
!macro Tell Text
  ${If} ${Silent}
    Push "${Text}"
    Call ${UN}Write
  ${Else}
    MessageBox MB_OK|MB_ICONINFORMATION "${Text}"
  ${EndIf}
!macroend

; Ends the program with a code after saying why.
!macro Refuse Code Text
  !insertmacro Tell "${Text}"
  SetErrorLevel ${Code}
  Quit
!macroend

!macro SharedFunctions UN
  ; Writes the text on the stack, in UTF-8, to where the program's output goes.
  Function ${UN}Write
    System::Store S
    Pop $0
    System::Call 'kernel32::AttachConsole(i -1)'
    System::Call 'kernel32::GetStdHandle(i -11) p .r1'
    System::Alloc 4096
    Pop $2
    StrCpy $0 "$0$\r$\n"
    System::Call 'kernel32::WideCharToMultiByte(i 65001, i 0, w r0, i -1, p r2, i 4096, p 0, p 0) i .r3'
    IntOp $3 $3 - 1
    System::Call 'kernel32::WriteFile(p r1, p r2, i r3, *i .r4, p 0)'
    System::Free $2
    System::Store L
  FunctionEnd

  ; Puts on the stack 1 if the program on the stack is running: then nobody may write into it.
  Function ${UN}Runs
    System::Store S
    Pop $0
    StrCpy $2 0
    ${If} ${FileExists} "$INSTDIR\$0"
      System::Call 'kernel32::CreateFileW(w "$INSTDIR\$0", i 0x40000000, i 7, p 0, i 3, i 0, p 0) p .r1 ?e'
      Pop $3
      ${If} $1 P= -1
        ${If} $3 = 32
          StrCpy $2 1
        ${EndIf}
      ${Else}
        System::Call 'kernel32::CloseHandle(p r1)'
      ${EndIf}
    ${EndIf}
    Push $2
    System::Store L
  FunctionEnd

  ; Has the user close a program that runs from the folder; without questions, gives up.
  Function ${UN}WaitUntilClosed
    System::Store S
    ${Do}
      StrCpy $1 ""
      Push "${COMMAND}"
      Call ${UN}Runs
      Pop $0
      ${If} $0 = 1
        StrCpy $1 "${COMMAND}"
      ${EndIf}
      Push "${WINDOW}"
      Call ${UN}Runs
      Pop $0
      ${If} $0 = 1
        StrCpy $1 "${WINDOW}"
      ${EndIf}
      ${If} $1 == ""
        ${Break}
      ${EndIf}
      ${If} ${Silent}
        !insertmacro Refuse ${CODE_RUNS} "$1$(RUNS)"
      ${EndIf}
      MessageBox MB_RETRYCANCEL|MB_ICONEXCLAMATION "$1$(RUNS)" IDRETRY +3
      SetErrorLevel ${CODE_RUNS}
      Abort
    ${Loop}
    System::Store L
  FunctionEnd

  ; Puts on the stack 1 if this process may change what is all users'.
  Function ${UN}MayChangeAll
    UserInfo::GetAccountType
    Exch $0
    ${If} $0 == "Admin"
      StrCpy $0 1
    ${Else}
      StrCpy $0 0
    ${EndIf}
    Exch $0
  FunctionEnd

  !insertmacro PathFunctions
!macroend

!insertmacro SharedFunctions ""
!insertmacro SharedFunctions "un."
!define UN ""

Function .onInit
  StrCpy $OwnData "$LOCALAPPDATA\slipway"
  ${IfNot} ${AtLeastWin10}
  ${OrIfNot} ${AtLeastBuild} 17763
    !insertmacro Refuse ${CODE_WINDOWS} "$(TOO_OLD)"
  ${EndIf}
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/PATH" $1
  ${IfNot} ${Errors}
    StrCpy $OnPath 1
  ${EndIf}
  StrCpy $ForAll 0
  ClearErrors
  ${GetOptions} $0 "/ALLUSERS" $1
  ${IfNot} ${Errors}
    StrCpy $ForAll 1
    Call MayChangeAll
    Pop $1
    ${If} $1 <> 1
      ${If} ${Silent}
        !insertmacro Refuse ${CODE_RIGHTS} "$(NO_RIGHTS)"
      ${EndIf}
      Call StartWithRights
      Pop $1
      ${If} $1 = 1
        Quit
      ${EndIf}
      StrCpy $ForAll 0
    ${EndIf}
  ${EndIf}
  Call ChoosePlace
FunctionEnd

; Starts this program with administrator rights, for all users; puts 1 on the stack if it could.
Function StartWithRights
  ClearErrors
  ${If} $OnPath == 1
    ExecShell "runas" "$EXEPATH" "/ALLUSERS /PATH"
  ${Else}
    ExecShell "runas" "$EXEPATH" "/ALLUSERS"
  ${EndIf}
  ${If} ${Errors}
    Push 0
  ${Else}
    Push 1
  ${EndIf}
FunctionEnd

; Chooses whose registry and menu, and the folder: that of an earlier version, or the usual one.
Function ChoosePlace
  ${If} $ForAll = 1
    SetShellVarContext all
    StrCpy $0 "$PROGRAMFILES64\Slipway"
  ${Else}
    SetShellVarContext current
    StrCpy $0 "$LOCALAPPDATA\Programs\Slipway"
  ${EndIf}
  ReadRegStr $1 SHCTX "${UNINSTALL_KEY}" "InstallLocation"
  ${If} $1 != ""
    StrCpy $0 $1
  ${EndIf}
  ReadRegDWORD $1 SHCTX "${UNINSTALL_KEY}" "OnPath"
  ${If} $1 == 1
    StrCpy $OnPath 1
  ${EndIf}
  ${If} $INSTDIR == ""
    StrCpy $INSTDIR $0
  ${EndIf}
FunctionEnd

Var OnlyMe
Var Everybody
Var PathBox

Function ShowChoices
  !insertmacro MUI_HEADER_TEXT "$(CHOICES_TITLE)" "$(CHOICES_SUBTITLE)"
  nsDialogs::Create 1018
  Pop $0
  ${NSD_CreateRadioButton} 0 0 100% 12u "$(ONLY_ME)"
  Pop $OnlyMe
  ${NSD_CreateRadioButton} 0 16u 100% 12u "$(EVERYBODY)"
  Pop $Everybody
  ${NSD_CreateCheckBox} 0 44u 100% 12u "$(ON_PATH)"
  Pop $PathBox
  ${NSD_CreateLabel} 12u 58u 280u 24u "$(ON_PATH_MEANS)"
  Pop $0
  ${If} $ForAll = 1
    ${NSD_Check} $Everybody
  ${Else}
    ${NSD_Check} $OnlyMe
  ${EndIf}
  ${If} $OnPath == 1
    ${NSD_Check} $PathBox
  ${EndIf}
  nsDialogs::Show
FunctionEnd

Function LeaveChoices
  ${NSD_GetState} $PathBox $OnPath
  ${NSD_GetState} $Everybody $0
  ${If} $0 = $ForAll
    Return
  ${EndIf}
  ${If} $0 = 1
    Call MayChangeAll
    Pop $1
    ${If} $1 <> 1
      Call StartWithRights
      Pop $1
      ${If} $1 = 1
        Quit
      ${EndIf}
      MessageBox MB_OK|MB_ICONEXCLAMATION "$(NO_RIGHTS)"
      Abort
    ${EndIf}
  ${EndIf}
  StrCpy $1 $OnPath
  StrCpy $ForAll $0
  StrCpy $INSTDIR ""
  Call ChoosePlace
  StrCpy $OnPath $1
FunctionEnd

; Refuses a folder with something else in it: its files would be taken for an old version's.
Function CheckFolder
  ${If} ${FileExists} "$INSTDIR\*.*"
  ${AndIfNot} ${FileExists} "$INSTDIR\${COMMAND}"
    ${DirState} "$INSTDIR" $0
    ${If} $0 = 1
      !insertmacro Tell "$INSTDIR$(NOT_EMPTY)"
      SetErrorLevel ${CODE_FOLDER}
      Abort
    ${EndIf}
  ${EndIf}
FunctionEnd

Section
  ${If} ${Silent}
    Call CheckFolder
  ${EndIf}
  Call WaitUntilClosed
  Call SetAside
  SetOutPath "$INSTDIR"
  File /r "${SOURCE}\*"
  WriteUninstaller "$INSTDIR\${UNINSTALLER}"
  RMDir /r "$INSTDIR\${OLD}"
  Call Register
  CreateShortcut "$SMPROGRAMS\Slipway.lnk" "$INSTDIR\${WINDOW}"
  Push $INSTDIR
  ${If} $OnPath == 1
    Push "add"
  ${Else}
    Push "remove"
  ${EndIf}
  Call EditPath
  System::Call 'shell32::SHChangeNotify(i ${SHCNE_ASSOCCHANGED}, i 0, p 0, p 0)'
SectionEnd

; Moves an older version into a folder of its own until the new one is there.
Function SetAside
  RMDir /r "$INSTDIR\${OLD}"
  ${If} ${FileExists} "$INSTDIR\${COMMAND}"
    StrCpy $Upgrades 1
    CreateDirectory "$INSTDIR\${OLD}"
    ClearErrors
    Rename "$INSTDIR\_internal" "$INSTDIR\${OLD}\_internal"
    Rename "$INSTDIR\${WINDOW}" "$INSTDIR\${OLD}\${WINDOW}"
    Rename "$INSTDIR\${COMMAND}" "$INSTDIR\${OLD}\${COMMAND}"
    ${If} ${Errors}
      Call PutBack
      !insertmacro Tell "$(IN_USE)"
      SetErrorLevel ${CODE_RUNS}
      Abort
    ${EndIf}
  ${EndIf}
FunctionEnd

Function PutBack
  ${If} ${FileExists} "$INSTDIR\${OLD}\_internal\*.*"
    RMDir /r "$INSTDIR\_internal"
    Rename "$INSTDIR\${OLD}\_internal" "$INSTDIR\_internal"
  ${EndIf}
  ${If} ${FileExists} "$INSTDIR\${OLD}\${WINDOW}"
    Delete "$INSTDIR\${WINDOW}"
    Rename "$INSTDIR\${OLD}\${WINDOW}" "$INSTDIR\${WINDOW}"
  ${EndIf}
  ${If} ${FileExists} "$INSTDIR\${OLD}\${COMMAND}"
    Delete "$INSTDIR\${COMMAND}"
    Rename "$INSTDIR\${OLD}\${COMMAND}" "$INSTDIR\${COMMAND}"
  ${EndIf}
  RMDir "$INSTDIR\${OLD}"
FunctionEnd

Function .onInstFailed
  ${If} $Upgrades == 1
    Call PutBack
  ${EndIf}
FunctionEnd

; Tells Windows of the program: how to remove it, and that it opens profiles, if asked to.
Function Register
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "DisplayName" "Slipway"
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "DisplayIcon" "$INSTDIR\${WINDOW}"
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "Publisher" "Slipway"
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "UninstallString" '"$INSTDIR\${UNINSTALLER}"'
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "QuietUninstallString" '"$INSTDIR\${UNINSTALLER}" /S'
  WriteRegDWORD SHCTX "${UNINSTALL_KEY}" "NoModify" 1
  WriteRegDWORD SHCTX "${UNINSTALL_KEY}" "NoRepair" 1
  WriteRegDWORD SHCTX "${UNINSTALL_KEY}" "EstimatedSize" ${KILOBYTES}
  WriteRegDWORD SHCTX "${UNINSTALL_KEY}" "OnPath" "$OnPath"

  StrCpy $0 '"$INSTDIR\${WINDOW}" open "%1"'
  ; in the list of “Open with”, whatever the user's own choice for such files is
  WriteRegStr SHCTX "${APPLICATION}" "FriendlyAppName" "Slipway"
  WriteRegStr SHCTX "${APPLICATION}\SupportedTypes" ".toml" ""
  WriteRegStr SHCTX "${APPLICATION}\shell\open\command" "" $0
  WriteRegStr SHCTX "${CLASSES}\${PROFILE_CLASS}" "" "$(PROFILE)"
  WriteRegStr SHCTX "${CLASSES}\${PROFILE_CLASS}\DefaultIcon" "" "$INSTDIR\${WINDOW},0"
  WriteRegStr SHCTX "${CLASSES}\${PROFILE_CLASS}\shell\open\command" "" $0
  WriteRegStr SHCTX "${CLASSES}\.toml\OpenWithProgids" "${PROFILE_CLASS}" ""
  ; in the context menu, of files with a profile's name alone
  WriteRegStr SHCTX "${VERB}" "" "$(OPEN_WITH)"
  WriteRegStr SHCTX "${VERB}" "AppliesTo" 'System.FileName:="slipway.toml"'
  WriteRegStr SHCTX "${VERB}" "Icon" "$INSTDIR\${WINDOW}"
  WriteRegStr SHCTX "${VERB}\command" "" $0
FunctionEnd

!undef UN
!define UN "un."

Function un.onInit
  StrCpy $OwnData "$LOCALAPPDATA\slipway"
  StrCpy $ForAll 0
  ReadRegStr $0 HKLM "${UNINSTALL_KEY}" "InstallLocation"
  ${If} $0 == $INSTDIR
    StrCpy $ForAll 1
    SetShellVarContext all
    Call un.MayChangeAll
    Pop $0
    ${If} $0 <> 1
      ${IfNot} ${Silent}
        ExecShell "runas" "$INSTDIR\${UNINSTALLER}"
        Quit
      ${EndIf}
      !insertmacro Refuse ${CODE_RIGHTS} "$(NO_RIGHTS)"
    ${EndIf}
  ${EndIf}
FunctionEnd

Section un.Slipway
  Call un.WaitUntilClosed
  RMDir /r "$INSTDIR\_internal"
  RMDir /r "$INSTDIR\${OLD}"
  Delete "$INSTDIR\${COMMAND}"
  Delete "$INSTDIR\${WINDOW}"
  Delete "$INSTDIR\${UNINSTALLER}"
  ; no /r: what else somebody put there stays
  RMDir "$INSTDIR"
  Delete "$SMPROGRAMS\Slipway.lnk"
  Push $INSTDIR
  Push "remove"
  Call un.EditPath
  DeleteRegKey SHCTX "${UNINSTALL_KEY}"
  DeleteRegKey SHCTX "${APPLICATION}"
  DeleteRegKey SHCTX "${CLASSES}\${PROFILE_CLASS}"
  DeleteRegValue SHCTX "${CLASSES}\.toml\OpenWithProgids" "${PROFILE_CLASS}"
  DeleteRegKey SHCTX "${VERB}"
  !insertmacro DeleteIfEmpty "${CLASSES}\Applications"
  !insertmacro DeleteIfEmpty "${CLASSES}\.toml\OpenWithProgids"
  !insertmacro DeleteIfEmpty "${CLASSES}\.toml"
  !insertmacro DeleteIfEmpty "${CLASSES}\SystemFileAssociations\.toml\shell"
  !insertmacro DeleteIfEmpty "${CLASSES}\SystemFileAssociations\.toml"
  System::Call 'shell32::SHChangeNotify(i ${SHCNE_ASSOCCHANGED}, i 0, p 0, p 0)'
  ${If} ${FileExists} "$OwnData\*.*"
    !insertmacro Tell "$(KEPT)$OwnData$\r$\n$(KEPT_PASSWORDS)"
  ${EndIf}
SectionEnd
