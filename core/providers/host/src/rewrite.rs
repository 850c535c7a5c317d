//! Reading and replacing a file: readers see the old content or the new one, and never half of either, also after a power cut.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file's text. One that does not exist yet is empty, if its folder is there.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder_of(path).is_dir() => Ok(String::new()),
        other => other,
    }
}

/// Replaces the file's content by renaming a new file over it.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    // The file behind a link, so that the link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = folder_of(&path);
    let mut new = tempfile::Builder::new().prefix(".entryguard-").tempfile_in(&folder)?;
    new.write_all(text.as_bytes())?;
    keep_rights(&path, new.as_file())?;
    new.as_file().sync_all()?;
    new.persist(&path).map_err(|error| error.error)?;
    // The rename is on disk once the folder is.
    File::open(&folder)?.sync_all()
}

/// Whether the file could be replaced.
pub(crate) fn check_replaceable(path: &Path) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    tempfile::Builder::new().prefix(".entryguard-").tempfile_in(folder_of(&path)).map(drop)
}

/// Who may read it is not ours to change: the program that does runs as somebody else.
fn keep_rights(old: &Path, new: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    match fs::metadata(old) {
        Ok(old) => {
            // Only root may give a file away; as anybody else the file was ours to begin with, or stays readable by its mode.
            fchown(new, Some(old.uid()), Some(old.gid())).or_else(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => Ok(()),
                _ => Err(error),
            })?;
            new.set_permissions(old.permissions())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => new.set_permissions(fs::Permissions::from_mode(0o644)),
        Err(error) => Err(error),
    }
}

pub(crate) fn folder_of(path: &Path) -> PathBuf {
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
        replace(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left lying about");
    }

    #[test]
    fn a_file_whose_folder_is_not_there_is_an_error_and_not_an_empty_list() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("new")).unwrap(), "");
        assert!(read(&folder.path().join("missing/new")).is_err());
    }
}
