//! Tells cargo that the migrations are part of the program: they are embedded, and cargo does not see that by itself.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
