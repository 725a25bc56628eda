; What the installer says, beside what NSIS says itself.
!macro Words Name English Chinese
  LangString ${Name} ${LANG_ENGLISH} "${English}"
  LangString ${Name} ${LANG_SIMPCHINESE} "${Chinese}"
!macroend

!insertmacro Words CHOICES_TITLE "For whom" "为谁安装"
!insertmacro Words CHOICES_SUBTITLE \
  "Choose who uses Slipway on this computer." "选择谁在这台电脑上使用 Slipway。"
!insertmacro Words ONLY_ME "Only for &me (needs no administrator)" "仅为我安装，不需要管理员权限(&M)"
!insertmacro Words EVERYBODY "For &all users of this computer" "为这台电脑的所有用户安装(&A)"
!insertmacro Words ON_PATH "Add the command “slipway” to the &PATH" "将命令“slipway”加入 PATH(&P)"
!insertmacro Words ON_PATH_MEANS \
  "For scripts and the command prompt. Windows that are open already do not see it yet." \
  "供脚本和命令提示符使用。已经打开的窗口要重新打开才能看到。"
!insertmacro Words PROFILE "Slipway profile" "Slipway 配置文件"
!insertmacro Words OPEN_WITH "Open with Slipway" "用 Slipway 打开"
!insertmacro Words RUNS \
  " is running. Close Slipway, also where it runs in a console or keeps a service running, and try again." \
  " 正在运行。请关闭 Slipway（包括在控制台中运行的，以及由它保持运行的服务），然后重试。"
!insertmacro Words IN_USE \
  "Some files of the installed version are in use, so it was left as it is. Close what uses them, or restart Windows, and try again." \
  "已安装版本的某些文件正在使用中，因此没有改动。请关闭使用这些文件的程序，或重新启动 Windows，然后重试。"
!insertmacro Words NOT_EMPTY \
  " holds something else. Choose an empty or a new folder." " 中有其他内容。请选择空文件夹或新文件夹。"
!insertmacro Words NO_RIGHTS \
  "This needs administrator rights. Start it as administrator, or install Slipway only for yourself." \
  "这需要管理员权限。请以管理员身份运行，或仅为自己安装 Slipway。"
!insertmacro Words TOO_OLD \
  "Slipway needs Windows 10 version 1809 or newer." "Slipway 需要 Windows 10 版本 1809 或更高版本。"
!insertmacro Words KEPT \
  "Slipway is removed. Your settings, history and logs were kept; delete them yourself if you want: " \
  "Slipway 已卸载。您的设置、历史记录和日志已保留；如不再需要，请自行删除："
!insertmacro Words KEPT_PASSWORDS \
  "Passwords that you had it keep are in the Windows Credential Manager." \
  "您让它保存的密码在 Windows 凭据管理器中。"
