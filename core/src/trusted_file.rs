//! Files that other accounts may have had a hand in: a pipe, a device, an endless file or another user's symbolic link at a path of ours is
//! refused, and nothing waits for it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

/// As many as the system follows itself.
const MOST_LINKS: usize = 40;
const ROOT: u32 = 0;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// Its owner chooses which file is read or written by our rights.
    #[error(
        "{} is a symbolic link that another user (uid {owner}) made, and is not followed; remove it, or name the file itself",
        link.display()
    )]
    ForeignLink {
        /// The link.
        link: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Links that lead to each other.
    #[error("{} leads through more than {MOST_LINKS} symbolic links", .0.display())]
    TooManyLinks(PathBuf),
    /// A pipe, a device, a folder.
    #[error("{} is {kind} and not a regular file; name a regular file", path.display())]
    NotRegular {
        /// What was named.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// More than is read.
    #[error("{} has more than {largest} bytes, which is more than is read of it; make it smaller", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is read at the most.
        largest: u64,
    },
    /// The system's own refusal.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Untrusted {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// The path without symbolic links, each of which was made by root or by our own user; also of a file that does not exist yet.
pub fn resolve(path: &Path) -> Result<PathBuf, Untrusted> {
    let names = |path: &Path| path.components().map(|part| part.as_os_str().to_owned()).collect::<VecDeque<OsString>>();
    let mut left = names(&std::path::absolute(path)?);
    let (mut resolved, mut links) = (PathBuf::new(), 0);
    while let Some(name) = left.pop_front() {
        match Path::new(&name).components().next() {
            Some(Component::ParentDir) => {
                resolved.pop();
            }
            Some(Component::Normal(_)) => {
                let next = resolved.join(&name);
                let Some(target) = link_at(&next)? else {
                    resolved = next;
                    continue;
                };
                links += 1;
                if links > MOST_LINKS {
                    return Err(Untrusted::TooManyLinks(path.to_owned()));
                }
                let mut target = names(&target);
                target.append(&mut left);
                left = target;
            }
            Some(Component::RootDir) => resolved = PathBuf::from("/"),
            _ => {}
        }
    }
    Ok(resolved)
}

/// Where a symbolic link leads that may be followed; nothing where there is none.
fn link_at(path: &Path) -> Result<Option<PathBuf>, Untrusted> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    if !found.is_symlink() {
        return Ok(None);
    }
    if found.uid() != ROOT && Some(found.uid()) != own_user() {
        return Err(Untrusted::ForeignLink { link: path.to_owned(), owner: found.uid() });
    }
    Ok(Some(fs::read_link(path)?))
}

/// Opens a regular file that is there already, and no link; `resolve` gives its path.
pub fn open(path: &Path, options: &mut OpenOptions) -> Result<File, Untrusted> {
    // Before it is opened: some devices do something where they only are.
    regular(path, &fs::symlink_metadata(path)?)?;
    // It may be another one by now. Neither a pipe nor a terminal is waited for, and no link is followed.
    let file = options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY).open(path)?;
    regular(path, &file.metadata()?)?;
    Ok(file)
}

/// The content of a regular file of no more than so many bytes, by whatever links of ours or root's it is reached.
pub fn read(path: &Path, largest: u64) -> Result<Vec<u8>, Untrusted> {
    let path = resolve(path)?;
    let file = open(&path, OpenOptions::new().read(true))?;
    let too_large = || Untrusted::TooLarge { path: path.clone(), largest };
    let length = file.metadata()?.len();
    if length > largest {
        return Err(too_large());
    }
    let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    // It may have grown, and some files do not know how long they are.
    file.take(largest + 1).read_to_end(&mut content)?;
    if content.len() as u64 > largest { Err(too_large()) } else { Ok(content) }
}

fn regular(path: &Path, found: &fs::Metadata) -> Result<(), Untrusted> {
    let kind = found.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let kind = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else {
        "a device"
    };
    Err(Untrusted::NotRegular { path: path.to_owned(), kind })
}

/// The user by whose rights this process acts, where the system says so.
pub fn own_user() -> Option<u32> {
    static OWN: OnceLock<Option<u32>> = OnceLock::new();
    *OWN.get_or_init(|| fs::metadata("/proc/self").ok().map(|process| process.uid()))
}

/// Whether every account may write in this folder, and so put something else in a file's place.
pub fn is_everybodys(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|found| found.mode() & 0o002 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        (folder, path)
    }

    #[test]
    fn a_path_is_resolved_as_the_system_does_also_where_its_end_is_not_there_yet() {
        let (_folder, at) = folder();
        fs::create_dir_all(at.join("a/b")).unwrap();
        fs::write(at.join("a/b/file"), "").unwrap();
        symlink("a/b", at.join("relative")).unwrap();
        symlink(at.join("a"), at.join("absolute")).unwrap();
        for (path, end) in [
            ("relative/file", "a/b/file"),
            ("absolute/b/../b/./file", "a/b/file"),
            ("relative/../b/file", "a/b/file"),
            ("relative/new", "a/b/new"),
            ("missing/new", "missing/new"),
        ] {
            assert_eq!(resolve(&at.join(path)).unwrap(), at.join(end), "{path}");
        }
        symlink("round", at.join("round")).unwrap();
        assert!(matches!(resolve(&at.join("round")), Err(Untrusted::TooManyLinks(_))));
    }

    #[test]
    fn another_users_link_is_not_followed() {
        let (_folder, at) = folder();
        fs::write(at.join("victim"), "secret").unwrap();
        symlink("victim", at.join("link")).unwrap();
        assert_eq!(read(&at.join("link"), 10).unwrap(), b"secret");
        // Only root may give a link away.
        let given = Command::new("chown").args(["-h", "65534"]).arg(at.join("link")).output().unwrap().status.success();
        if given {
            assert!(matches!(read(&at.join("link"), 10), Err(Untrusted::ForeignLink { owner: 65534, .. })));
        }
        assert!(open(&at.join("link"), OpenOptions::new().read(true)).is_err(), "without being resolved none is followed");
    }

    #[test]
    fn what_is_no_regular_file_or_has_no_end_is_refused_at_once() {
        let (_folder, at) = folder();
        assert!(Command::new("mkfifo").arg(at.join("pipe")).status().unwrap().success());
        for (path, kind) in [(at.join("pipe"), "a pipe"), (at.clone(), "a folder"), (PathBuf::from("/dev/zero"), "a device")] {
            let refused = read(&path, 10).unwrap_err();
            assert!(refused.to_string().contains(kind), "{refused}");
        }
        symlink("/dev/zero", at.join("zero")).unwrap();
        assert!(matches!(read(&at.join("zero"), 10), Err(Untrusted::NotRegular { .. })));
        File::create(at.join("huge")).unwrap().set_len(3 << 30).unwrap();
        assert!(matches!(read(&at.join("huge"), 10), Err(Untrusted::TooLarge { .. })));
        assert!(read(&at.join("missing"), 10).unwrap_err().is_missing());
    }
}
