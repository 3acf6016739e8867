//! Operating the daemon: installed as a service, and examined by its doctor.

mod doctor;
mod doctor_encryption;
mod doctor_redis;
mod place;
mod plist;
mod service;
