//! How many connections a listener has, and how many bytes their requests may hold. All of it together, with what a connection buffers,
//! leaves a process below 64 MiB; more would take it from what closes rules.

/// How many connections there may be, and how many bytes all their requests may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections in all.
    pub at_once: usize,
    /// Connections beyond that, which may only ask how the server is.
    pub spare: usize,
    /// Connections of one address.
    pub of_address: usize,
    /// Connections of one trusted proxy, which brings the requests of many people.
    pub of_proxy: usize,
    /// Bytes in all.
    pub bytes: usize,
    /// Bytes of one address.
    pub bytes_of_address: usize,
    /// Bytes of one trusted proxy.
    pub bytes_of_proxy: usize,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

impl Bounds {
    /// Of the address that everybody reaches. A process often has no more than 1,024 files, and needs some for itself.
    pub const PUBLIC: Self = Self {
        at_once: 868,
        spare: 32,
        of_address: 128,
        of_proxy: 740,
        bytes: 16 * MIB,
        bytes_of_address: 4 * MIB,
        bytes_of_proxy: 14 * MIB,
    };
    /// Of the address for probes and metrics.
    pub const PROBES: Self = Self {
        at_once: 48,
        spare: 4,
        of_address: 24,
        of_proxy: 24,
        bytes: MIB,
        bytes_of_address: 512 * KIB,
        bytes_of_proxy: 512 * KIB,
    };
}
