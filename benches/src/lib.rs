//! Nothing here: each bench is a file beside this folder. `README.md` has the results.
