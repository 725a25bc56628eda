# Takes a file from stdin, whole or not at all: four lines in UTF-8 (DEST, PART, BYTES, SHA256 of the
# content), then the content as one gzip member. Makes the folder.
# exit: 65 damaged, 74 not all arrived; whatever else goes wrong is said on stderr
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$in = [Console]::OpenStandardInput()
function Read-Word {
  $word = New-Object IO.MemoryStream
  while (($byte = $in.ReadByte()) -ne 10) {
    if ($byte -lt 0) { exit 74 }
    $word.WriteByte($byte)
  }
  [Text.Encoding]::UTF8.GetString($word.ToArray())
}
try {
  $dest = Read-Word; $part = Read-Word; $size = [long](Read-Word); $sha256 = Read-Word
  $folder = [IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($dest)).FullName
  # what broken uploads left; one that is under way can't be deleted
  foreach ($old in [IO.Directory]::GetFiles($folder, '*.part')) { try { [IO.File]::Delete($old) } catch { } }
  $packed = New-Object IO.Compression.GZipStream($in, [IO.Compression.CompressionMode]::Decompress)
  $file = [IO.File]::Open($part, 'Create', 'Write', 'None')
  try {
    $hash = New-Object Security.Cryptography.SHA256CryptoServiceProvider
    $piece = New-Object byte[] 1048576
    $done = 0L
    while (($count = $packed.Read($piece, 0, $piece.Length)) -gt 0) {
      $file.Write($piece, 0, $count)
      [void]$hash.TransformBlock($piece, 0, $count, $piece, 0)
      $done += $count
    }
    [void]$hash.TransformFinalBlock($piece, 0, 0)
  } finally { $file.Dispose() }
  if ($done -ne $size) { [IO.File]::Delete($part); exit 74 }
  if ([BitConverter]::ToString($hash.Hash).Replace('-', '') -ne $sha256) { [IO.File]::Delete($part); exit 65 }
  if ([IO.File]::Exists($dest)) { [IO.File]::Delete($dest) }
  [IO.File]::Move($part, $dest)
  exit 0
} catch {
  [Console]::Error.WriteLine($_.Exception.Message)
  if ($part -and [IO.File]::Exists($part)) { [IO.File]::Delete($part) }
  exit 1
}
