//! Operating the daemon: installed as a service, and examined by its doctor.

mod doctor;
mod place;
mod plist;
mod service;
