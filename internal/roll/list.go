package roll

import "crypto/sha256"

// A List is a second list of members, from another source than the roll, to
// compare the roll with.
type List struct {
	*File // its Members have a number, and what else the list says
	// Digest is the SHA-256 of the file's bytes.
	Digest [sha256.Size]byte
}

// compared are the columns of a list that are read.
var compared = [numFields]bool{number: true, name: true, firstName: true, lastName: true, group: true, campus: true, worksite: true}

// ReadList reads a list to compare a roll with. Only the member number is
// required. Of o it uses the groups, for their spelling: a group that does not
// exist in this vote is a difference, not a fault. Its error is a
// [*NotRollError].
func ReadList(data []byte, o Options) (*List, error) {
	f, err := read(data, o, &File{list: true})
	if err != nil {
		return nil, err
	}
	return &List{File: f, Digest: sha256.Sum256(data)}, nil
}
