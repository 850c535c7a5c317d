//! Reading and replacing a file: readers see the old content or the new one, and never half of either, also after a power cut. Where a file
//! cannot be replaced, because it is a mount by itself, it is written over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use entryguard_core::trusted_file::{self, Untrusted};

use crate::in_place;

/// No allowlist is larger: it is held in memory some times over.
pub(crate) const LARGEST: u64 = 4 * 1024 * 1024;
/// Who may do what with a file, and nothing of set-user-ID.
const RIGHTS: u32 = 0o777;

/// The file's content. One that does not exist yet is empty, if its folder is there.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Untrusted> {
    let path = trusted_file::resolve(path)?;
    in_place::recover(&path)?;
    match trusted_file::read(&path, LARGEST) {
        Err(error) if error.is_missing() && folder_of(&path).is_dir() => Ok(Vec::new()),
        other => other,
    }
}

/// Replaces the file's content by renaming a new file over it, or else by writing over it.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Untrusted> {
    // By its links, so that they stay links.
    let path = trusted_file::resolve(path)?;
    if content.len() as u64 > LARGEST {
        // It could not be read again, and so nothing in it could be closed.
        return Err(Untrusted::TooLarge { path, largest: LARGEST });
    }
    match by_rename(&path, content, &path) {
        Err(error) if in_place::is_needed(&path, &error) => in_place::write(&path, content),
        other => other.map_err(Untrusted::from),
    }
}

/// Renames a new file over `path`, which has the rights that `model` has, if there is one.
pub(crate) fn by_rename(path: &Path, content: &[u8], model: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    let mut new = tempfile::Builder::new().prefix(".entryguard-").tempfile_in(&folder)?;
    new.write_all(content)?;
    keep_rights(model, new.as_file())?;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| error.error)?;
    sync_folder(path)
}

/// A name is on disk once its folder is.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Finds out whether the file could be replaced, or written over; what is to be said of the place where it is.
pub(crate) fn check_replaceable(path: &Path) -> Result<Vec<String>, Untrusted> {
    let path = trusted_file::resolve(path)?;
    let mut warnings = Vec::new();
    if in_place::is_mount(&path) {
        trusted_file::open(&path, OpenOptions::new().write(true))?;
        warnings.push(format!(
            "{} is a mount by itself, as a single file of a container is: it is written over instead of replaced, so a reader may see half of \
             it; mount its folder instead",
            path.display()
        ));
    } else {
        tempfile::Builder::new().prefix(".entryguard-").tempfile_in(folder_of(&path))?;
    }
    let folder = folder_of(&path);
    if trusted_file::is_everybodys(&folder) {
        warnings.push(format!(
            "other users may write in {}, and put a list of theirs in the file's place; take that right away (chmod o-w)",
            folder.display()
        ));
    }
    Ok(warnings)
}

/// Who may read it is not ours to change: the program that does runs as somebody else.
fn keep_rights(old: &Path, new: &File) -> io::Result<()> {
    match fs::symlink_metadata(old) {
        Ok(old) => {
            // Only root may give a file away. Anybody may to a group of their own, and through it the reader reads, more often
            // than not; where not even that can be, the file stays readable by its mode.
            let owned = fchown(new, Some(old.uid()), Some(old.gid())).or_else(|_| fchown(new, None, Some(old.gid())));
            owned.or_else(|error| if error.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(error) })?;
            new.set_permissions(fs::Permissions::from_mode(old.mode() & RIGHTS))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => new.set_permissions(fs::Permissions::from_mode(0o644)),
        Err(error) => Err(error),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

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

    #[test]
    fn i3_what_another_user_linked_to_is_neither_read_nor_written() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, link) = (folder.path().join("victim"), folder.path().join("allow"));
        fs::write(&victim, "root:x:0:0\n").unwrap();
        symlink(&victim, &link).unwrap();
        // Only root may give a link away.
        if Command::new("chown").args(["-h", "65534"]).arg(&link).output().unwrap().status.success() {
            assert!(matches!(read(&link), Err(Untrusted::ForeignLink { .. })));
            assert!(matches!(replace(&link, b"new"), Err(Untrusted::ForeignLink { .. })));
            assert!(check_replaceable(&link).is_err());
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "root:x:0:0\n");
    }

    #[test]
    fn i1_nothing_is_written_that_could_not_be_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("allow");
        let most = usize::try_from(LARGEST).unwrap();
        replace(&file, &vec![b'#'; most]).unwrap();
        assert_eq!(read(&file).unwrap().len(), most);
        assert!(matches!(replace(&file, &vec![b'#'; most + 1]), Err(Untrusted::TooLarge { .. })));
        assert_eq!(read(&file).unwrap().len(), most);
    }

    #[test]
    fn a_folder_of_everybodys_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("allow");
        assert_eq!(check_replaceable(&file).unwrap(), Vec::<String>::new());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(check_replaceable(&file).unwrap()[0].contains("other users may write"));
    }
}
