# The real vim, with its netrw: vim scp://host/file reads and writes by scp.
mkdir -p bin; printf '#!/bin/sh\nexec /usr/bin/scp -F %s -i %s "$@"\n' $CONFIG $KEY >bin/scp; chmod 755 bin/scp
export PATH=$PWD/bin:$PATH
"${ssh[@]}" gate 'echo before >note'
vim.basic -N -u NONE -i NONE -n --not-a-term -c 'runtime plugin/netrwPlugin.vim' -c "silent edit scp://$LOGIN@gate/note" \
  -c 'call append("$", "added")' -c 'silent write' -c 'qall!' </dev/null >vim 2>&1 || { cat vim >&2; exit 1; }
"${ssh[@]}" gate cat note
