# The real Emacs: TRAMP opens `ssh -l USER -e none HOST`, makes a shell to its liking in the terminal and edits through it; scp is for
# larger files.
mkdir -p bin; printf '#!/bin/sh\nexec /usr/bin/ssh -F %s -i %s "$@"\n' $CONFIG $KEY >bin/ssh
printf '#!/bin/sh\nexec /usr/bin/scp -F %s -i %s "$@"\n' $CONFIG $KEY >bin/scp; chmod 755 bin/*
export PATH=$PWD/bin:$PATH
cat >edit.el <<'END'
(require 'tramp)
(let* ((login (getenv "LOGIN")) (by-ssh (format "/ssh:%s@gate:" login)) (by-scp (format "/scp:%s@gate:" login))
       (note (concat by-ssh "/tmp/note")))
  (with-temp-file note (insert "one\n"))
  (with-current-buffer (find-file-noselect note) (goto-char (point-max)) (insert "two\n") (save-buffer))
  (with-temp-buffer (insert-file-contents note) (princ (buffer-string)))
  (let ((default-directory (concat by-ssh "/tmp/")))
    (princ (shell-command-to-string "ps -o tty= -p $PPID"))
    (with-temp-buffer (process-file "id" nil t nil "-u") (princ (buffer-string))))
  (copy-file (getenv "BIG") (concat by-scp "/tmp/big") t)
  (copy-file (concat by-scp "/tmp/big") (expand-file-name "back") t))
END
emacs -Q --batch -l edit.el 2>emacs || { cat emacs >&2; exit 1; }
cmp $BIG back && echo same
