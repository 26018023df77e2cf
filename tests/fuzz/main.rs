//! The bodies of the fuzz targets, run over the corpora and over mutations of them.

mod route;
