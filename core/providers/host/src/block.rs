//! The lines between our own markers, and the file around them, which stays as it is to the byte.

use entryguard_core::domain::{DeploymentId, FileFormat, HostAddress, OpeningId, ResourceName, Timestamp};
use entryguard_core::provider::{Addition, Mark};

use crate::format;

/// A file, cut at our markers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    // Bytes, because what stands outside of the block is somebody else's, and may be no UTF-8.
    before: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    after: Vec<u8>,
    found: bool,
}

/// One address that we let in, with its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) opening: OpeningId,
    pub(crate) owner: DeploymentId,
    pub(crate) expires_at: Timestamp,
    /// Whom the line lets in: what stands there, also if somebody changed it.
    pub(crate) line: String,
    note: String,
}

/// A block of ours that somebody has damaged: nothing is rewritten, since nobody could say what was ours in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is damaged ({why}); restore it, or remove everything from the BEGIN to the END marker")]
pub(crate) struct Damaged {
    line: usize,
    why: &'static str,
}

const MARK: &str = "# entryguard ";

impl Document {
    /// Cuts a file's content at the markers of a resource.
    pub(crate) fn parse(content: &[u8], resource: &ResourceName) -> Result<Self, Damaged> {
        let (mut before, mut after, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        let (mut found, mut inside, mut pending) = (false, false, None);
        for (index, raw) in lines(content).enumerate() {
            let damaged = |why| Damaged { line: index + 1, why };
            let line = String::from_utf8_lossy(raw);
            let line = line.trim();
            match (line.starts_with(&begin(resource)), line == end(resource), inside) {
                (true, ..) if found => return Err(damaged("a second BEGIN")),
                (true, ..) => (found, inside) = (true, true),
                (_, true, true) if pending.is_some() => return Err(damaged("a mark without its line")),
                (_, true, true) => inside = false,
                (_, true, false) => return Err(damaged("an END without its BEGIN")),
                (_, _, true) if line.contains(char::REPLACEMENT_CHARACTER) => return Err(damaged("not UTF-8")),
                (_, _, true) => match (pending.take(), line.strip_prefix(MARK)) {
                    (None, Some(mark)) => pending = Some(Entry::from_mark(mark).ok_or_else(|| damaged("an unreadable mark"))?),
                    (Some(entry), None) => entries.push(Entry { line: line.to_owned(), ..entry }),
                    (Some(_), Some(_)) => return Err(damaged("a mark without its line")),
                    (None, None) => return Err(damaged("a line without a mark")),
                },
                (_, _, false) if found => after.extend_from_slice(raw),
                (_, _, false) => before.extend_from_slice(raw),
            }
        }
        if inside {
            return Err(Damaged { line: lines(content).count(), why: "a BEGIN without its END" });
        }
        Ok(Self { before, entries, after, found })
    }

    /// The file's content with the block as it is now.
    pub(crate) fn render(&self, resource: &ResourceName) -> Vec<u8> {
        let mut block = format!("{}\n", begin_line(resource));
        for entry in &self.entries {
            block.push_str(&format!("{MARK}{}\n{}\n", entry.note, entry.line));
        }
        block.push_str(&format!("{}\n", end(resource)));
        // A new block comes first: where the order of lines counts, as nginx's does, what lets in must stand before `deny all;`.
        let block = block.as_bytes();
        if self.found { [&self.before, block, &self.after].concat() } else { [block, &self.before].concat() }
    }

    /// The lines outside of the block.
    pub(crate) fn foreign_lines(&self) -> impl Iterator<Item = String> {
        lines(&self.before).chain(lines(&self.after)).map(|raw| String::from_utf8_lossy(raw).trim().to_owned())
    }
}

impl Entry {
    /// The entry for an addition.
    pub(crate) fn new(addition: &Addition, owner: &DeploymentId, format: FileFormat) -> Self {
        let Addition { opening, address, until, member, session, .. } = addition;
        let member = member.as_str().replace(' ', "_");
        let note = format!("owner={owner} opening={opening} expires-at={until} member={member} session={}", session.short());
        let line = format::write(format, *address);
        Self { opening: opening.clone(), owner: owner.clone(), expires_at: *until, line, note }
    }

    /// The same entry, wanted until another time.
    pub(crate) fn until(&self, until: Timestamp) -> Self {
        let word = |word: &str| if word.starts_with("expires-at=") { format!("expires-at={until}") } else { word.to_owned() };
        let note = self.note.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
        Self { expires_at: until, note, ..self.clone() }
    }

    /// Whether it lets in this address and nobody else.
    pub(crate) fn is_for(&self, address: HostAddress, format: FileFormat) -> bool {
        format::read(format, &self.line) == Some(address.ip().into())
    }

    /// The mark that it bears.
    pub(crate) fn mark(&self) -> Mark {
        Mark { owner: self.owner.clone(), openings: vec![self.opening.clone()], expires_at: Some(self.expires_at) }
    }

    fn from_mark(text: &str) -> Option<Self> {
        let value = |key: &str| text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        Some(Self {
            opening: OpeningId::from_stored(value("opening")?),
            owner: DeploymentId::from_stored(value("owner")?),
            expires_at: Timestamp::parse(value("expires-at")?)?,
            line: String::new(),
            note: text.to_owned(),
        })
    }
}

fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split_inclusive(|byte| *byte == b'\n')
}

fn begin(resource: &ResourceName) -> String {
    format!("# BEGIN ENTRYGUARD {resource}:")
}

fn begin_line(resource: &ResourceName) -> String {
    format!("{} EntryGuard writes these lines; write yours outside of them", begin(resource))
}

fn end(resource: &ResourceName) -> String {
    format!("# END ENTRYGUARD {resource}")
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
