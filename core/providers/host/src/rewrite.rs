//! Reading and replacing a file: readers see the old content or the new one, and never half of either, also after a power cut.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file's content. One that does not exist yet is empty, if its folder is there.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder_of(&behind_links(path)).is_dir() => Ok(Vec::new()),
        other => other,
    }
}

/// Replaces the file's content by renaming a new file over it.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = behind_links(path);
    let folder = folder_of(&path);
    let mut new = tempfile::Builder::new().prefix(".entryguard-").tempfile_in(&folder)?;
    new.write_all(content)?;
    keep_rights(&path, new.as_file())?;
    new.as_file().sync_all()?;
    new.persist(&path).map_err(|error| error.error)?;
    // The rename is on disk once the folder is.
    File::open(&folder)?.sync_all()
}

/// Whether the file could be replaced.
pub(crate) fn check_replaceable(path: &Path) -> io::Result<()> {
    let path = behind_links(path);
    tempfile::Builder::new().prefix(".entryguard-").tempfile_in(folder_of(&path)).map(drop)
}

/// Who may read it is not ours to change: the program that does runs as somebody else.
fn keep_rights(old: &Path, new: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    match fs::metadata(old) {
        Ok(old) => {
            // Only root may give a file away. Anybody may to a group of their own, and through it the reader reads, more often
            // than not; where not even that can be, the file stays readable by its mode.
            let owned = fchown(new, Some(old.uid()), Some(old.gid())).or_else(|_| fchown(new, None, Some(old.gid())));
            owned.or_else(|error| if error.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(error) })?;
            new.set_permissions(old.permissions())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => new.set_permissions(fs::Permissions::from_mode(0o644)),
        Err(error) => Err(error),
    }
}

/// The file behind a link, so that the link stays one; also where that file does not exist yet.
fn behind_links(path: &Path) -> PathBuf {
    let named = || fs::read_link(path).map(|target| folder_of(path).join(target));
    fs::canonicalize(path).or_else(|_| named()).unwrap_or_else(|_| path.to_owned())
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_replaced_file_keeps_its_rights_and_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left lying about");
    }

    #[test]
    fn a_link_to_a_file_that_is_not_there_yet_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("file", &link).unwrap();
        assert_eq!(read(&link).unwrap(), b"");
        replace(&link, b"new").unwrap();
        assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_file_whose_folder_is_not_there_is_an_error_and_not_an_empty_list() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("new")).unwrap(), b"");
        assert!(read(&folder.path().join("missing/new")).is_err());
    }
}
