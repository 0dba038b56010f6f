"""What a script can see, reach and use up. `contain.enter` is called in the process that becomes the script."""
