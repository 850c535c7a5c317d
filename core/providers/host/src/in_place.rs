//! Writing over a file that cannot be replaced: a single file that a container mounts has a name that no other can take.
//!
//! A reader may see half of the new content. A crash in between is mended from a copy beside the file, which is made first; where the
//! folder takes no copy, only a power cut leaves a half of it, because the content is one write.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use entryguard_core::trusted_file::{self, Untrusted};

use crate::rewrite::{LARGEST, by_rename, sync_folder};

/// Whether the file has to be written over, after this became of replacing it.
pub(crate) fn is_needed(path: &Path, error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::ResourceBusy => true,
        // The folder around a mounted file is often none that anybody may write in.
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => is_mount(path),
        _ => false,
    }
}

/// Writes over the file.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Untrusted> {
    let copy = copy_of(path);
    // By a rename, so that it is whole where it is there.
    let copied = by_rename(&copy, content, path);
    write_over(path, content)?;
    // Also one whose folder could not be synced: it would be taken for the newer content later.
    match fs::remove_file(&copy) {
        Ok(()) => sync_folder(&copy).map_err(Untrusted::from),
        Err(error) if error.kind() != io::ErrorKind::NotFound && copied.is_ok() => Err(error.into()),
        Err(_) => Ok(()),
    }
}

/// Writes over the file again, if a crash may have kept it from being done.
pub(crate) fn recover(path: &Path) -> Result<(), Untrusted> {
    let copy = copy_of(path);
    let is_ours = fs::symlink_metadata(&copy).is_ok_and(|found| found.is_file() && Some(found.uid()) == trusted_file::own_user());
    if !is_ours {
        return Ok(());
    }
    write_over(path, &trusted_file::read(&copy, LARGEST)?)?;
    tracing::warn!(file = %path.display(), "a crash while the file was written over has been mended from the copy beside it");
    fs::remove_file(&copy)?;
    sync_folder(&copy).map_err(Untrusted::from)
}

fn write_over(path: &Path, content: &[u8]) -> Result<(), Untrusted> {
    let mut file = trusted_file::open(path, OpenOptions::new().write(true))?;
    let old = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(usize::try_from(LARGEST).unwrap_or(usize::MAX));
    // Empty lines up to the old length: a crash before the end is cut off leaves nothing of the old content behind the new one.
    let mut padded = content.to_vec();
    padded.resize(old.max(content.len()), b'\n');
    file.write_all(&padded)?;
    file.set_len(content.len() as u64)?;
    file.sync_all().map_err(Untrusted::from)
}

fn copy_of(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".entryguard-copy");
    path.with_file_name(name)
}

/// Whether something is mounted at this path itself.
pub(crate) fn is_mount(path: &Path) -> bool {
    fs::read("/proc/self/mountinfo").is_ok_and(|mounts| is_among(&mounts, path))
}

/// The fifth word of each line is a mount's place, with some characters in octal.
fn is_among(mounts: &[u8], path: &Path) -> bool {
    let places = mounts.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    places.map(unescaped).any(|place| place.as_os_str().as_bytes() == path.as_os_str().as_bytes())
}

fn unescaped(word: &[u8]) -> PathBuf {
    let (mut plain, mut rest) = (Vec::with_capacity(word.len()), word);
    while let Some((first, more)) = rest.split_first() {
        let octal = more.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            plain.push(byte);
            rest = &more[3..];
        } else {
            plain.push(*first);
            rest = more;
        }
    }
    std::ffi::OsString::from_vec(plain).into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::rewrite;

    #[test]
    fn a_file_that_is_written_over_is_the_same_file_and_shorter_where_it_has_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().canonicalize().unwrap().join("allow");
        fs::write(&file, "a long old content\n").unwrap();
        let before = fs::metadata(&file).unwrap().ino();
        for content in ["short\n", "longer than before and before that\n", ""] {
            write(&file, content.as_bytes()).unwrap();
            assert_eq!((fs::read_to_string(&file).unwrap(), fs::metadata(&file).unwrap().ino()), (content.to_owned(), before));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no copy is left");
    }

    #[test]
    fn i6_a_crash_while_it_was_written_over_is_mended_at_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().canonicalize().unwrap().join("allow");
        fs::write(&file, "half of th").unwrap();
        fs::write(copy_of(&file), "half of the new content\n").unwrap();
        assert_eq!(rewrite::read(&file).unwrap(), b"half of the new content\n");
        assert_eq!(fs::read_to_string(&file).unwrap(), "half of the new content\n");
        assert!(!copy_of(&file).exists());
    }

    #[test]
    fn a_mount_is_found_by_its_place_also_with_a_space_in_it() {
        let mounts = b"36 35 98:0 / /in/allow.conf rw - ext4 /dev/x rw\n37 35 98:0 /a /in/a\\040b\\134c rw - ext4 /dev/x rw\n";
        assert!(is_among(mounts, Path::new("/in/allow.conf")) && is_among(mounts, Path::new("/in/a b\\c")));
        assert!(!is_among(mounts, Path::new("/in")) && !is_among(mounts, Path::new("/in/allow")));
    }

    #[test]
    fn a_single_mounted_file_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        let (outside, inside) = (at.join("outside"), at.join("inside"));
        fs::write(&outside, "deny all;\n").unwrap();
        fs::write(&inside, "").unwrap();
        // Only root may mount, and not everywhere.
        if !Command::new("mount").arg("--bind").args([&outside, &inside]).output().unwrap().status.success() {
            return;
        }
        let replaced = rewrite::replace(&inside, b"allow 93.184.216.34;\n");
        let told = rewrite::check_replaceable(&inside);
        assert!(Command::new("umount").arg(&inside).status().unwrap().success());
        replaced.unwrap();
        assert_eq!(fs::read_to_string(&outside).unwrap(), "allow 93.184.216.34;\n");
        assert!(told.unwrap()[0].contains("mount its folder instead"));
    }
}
