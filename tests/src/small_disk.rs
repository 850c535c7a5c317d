//! A file system of a few megabytes, which a test fills up. It takes root, for it is mounted.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory; it is unmounted when it is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    place: PathBuf,
}

impl SmallDisk {
    /// Mounts one at this folder; nothing where this user or system cannot.
    pub fn at(place: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(place).expect("a folder of ours");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(place).output();
        let is_mounted = mounted.is_ok_and(|mounted| mounted.status.success());
        is_mounted.then(|| Self { place: place.to_owned() })
    }

    /// Where it is mounted.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("a file system takes one more file");
        for size in [1 << 16, 1 << 12, 1] {
            let block = vec![0; size];
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Gives the room back.
    pub fn make_room(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled before");
    }

    fn ballast(&self) -> PathBuf {
        self.place.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A server that a failing test leaves may still have files open there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).status();
    }
}
