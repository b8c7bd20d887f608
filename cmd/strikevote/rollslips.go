package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"strikevote/internal/deployment"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

func runRollSlips(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	numbers := fs.String("numbers", "", "member numbers, separated by commas (default: everybody without an address)")
	reason := fs.String("reason", "", "why slips are needed, for the committee")
	number := fs.Uint("print", 0, "the permission under which they are printed")
	out := fs.String("o", "", "the file to write, which must not exist")
	by, err := o.begin(e, fs, args, 0, "it takes flags only")
	if err != nil {
		return err
	}
	if (*number == 0) == (*reason == "") {
		return usageError("either ask for permission with -reason, or print with -print")
	}
	if *number != 0 && *out == "" {
		return usageError("name the file to write with -o")
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		slips, err := d.Slips(ctx, id, items(*numbers))
		if err != nil {
			return err
		}
		if *number != 0 {
			err = checkPrint(ctx, d, id, uint32(*number), slips, *out)
		} else {
			err = d.CheckSlips(ctx, id, slips, *reason, by)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "Slips for %s:\n", count(len(slips), "member"))
		for _, s := range slips {
			fmt.Fprintf(e.out, "  %s, %s, %s\n", s.Number, s.Name, s.Campus)
		}
		fmt.Fprintf(e.out, "Check digits of the list: %s\n", deployment.SlipsDigits(slips))
		if o.dry(e) {
			return nil
		}
		if *number != 0 {
			return printSlips(ctx, e, d, id, uint32(*number), slips, by, *out)
		}
		n, err := d.ProposeSlips(ctx, id, slips, *reason, by)
		if err != nil {
			return err
		}
		var numbers []string
		for _, s := range slips {
			numbers = append(numbers, s.Number)
		}
		fmt.Fprintf(e.out, "\nIt is permission %d, and waits for the committee: strikevote committee sign -key FILE %s\n", n, d.Console(id))
		fmt.Fprintf(e.out, "Then print them: strikevote roll slips -data %s -by %q -numbers %s -print %d -o slips.html -yes\n", o.loaded.Data, by, strings.Join(numbers, ","), n)
		return nil
	})
}

// checkPrint refuses what printing would, and prints nothing.
func checkPrint(ctx context.Context, d *deployment.Deployment, id suite.ElectionID, number uint32, slips []registrar.Slip, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("writing the slips: %w: %s", os.ErrExist, path)
	}
	return d.CheckPrint(ctx, id, number, slips)
}

// printSlips writes the page. The file is made first: a permission is used up once,
// and must not be used up for nothing.
func printSlips(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID, number uint32, slips []registrar.Slip, by, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing the slips: %w", err)
	}
	var page bytes.Buffer
	err = d.PrintSlips(ctx, id, number, slips, by, &page)
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	_, err = f.Write(page.Bytes())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing the slips: %w", err)
	}
	fmt.Fprintf(e.out, "\nThe slips are in %s: print them, seal them, and delete the file.\n", path)
	return nil
}
