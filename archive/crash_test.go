package archive

const childVariable = "COALESCE_ARCHIVE_CHILD"

func child() {}
