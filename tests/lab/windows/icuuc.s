# icuuc.dll is a part of Windows 10 that Wine lacks, and Qt asks it for codecs beyond its own. This
# one has none: opening a converter fails, and there is nothing to do with any.
    .text
    .globl ucnv_open
ucnv_open:                      # UConverter *ucnv_open(const char *name, UErrorCode *error)
    movl $4, (%rdx)             # U_FILE_ACCESS_ERROR: no such converter
    .globl nothing
nothing:
    xorl %eax, %eax
    ret
