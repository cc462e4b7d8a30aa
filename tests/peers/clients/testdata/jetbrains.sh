# JetBrains Gateway has an SSH of its own, and one connection for all: commands, SFTP that brings the agent, forwards to the agent's port
# and socket. asyncssh is the SSH here, and the agent a stand-in.
/usr/bin/python3 $TESTDATA/jetbrains.py
