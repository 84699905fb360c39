//! Tells the compiler where the build of PROJ has put its database.

fn main() {
    // The folder that PROJ was installed to, as its build script says.
    let root = std::env::var("DEP_PROJ_ROOT").unwrap_or_default();
    println!("cargo::rerun-if-env-changed=DEP_PROJ_ROOT");
    println!("cargo::rustc-env=GRATICULE_PROJ_DATABASE={root}/share/proj/proj.db");
}
