{
 "patcher": {
  "fileversion": 1,
  "appversion": {
   "major": 8,
   "minor": 5,
   "revision": 0,
   "architecture": "x64",
   "modernui": 1
  },
  "classnamespace": "box",
  "rect": [
   60.0,
   90.0,
   1020.0,
   480.0
  ],
  "boxes": [
   {
    "box": {
     "id": "obj-1",
     "maxclass": "comment",
     "patching_rect": [
      20.0,
      10.0,
      400.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 0,
     "text": "rnnmuse in Max. Start it first: rnnmuse live"
    }
   },
   {
    "box": {
     "id": "obj-2",
     "maxclass": "comment",
     "patching_rect": [
      20.0,
      40.0,
      420.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 0,
     "text": "1. the connection: every 2 s the lease is renewed; notes come to port 7712"
    }
   },
   {
    "box": {
     "id": "obj-3",
     "maxclass": "newobj",
     "patching_rect": [
      20.0,
      70.0,
      80.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 1,
     "text": "loadmess 1",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-4",
     "maxclass": "newobj",
     "patching_rect": [
      20.0,
      100.0,
      80.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "metro 2000",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-5",
     "maxclass": "message",
     "patching_rect": [
      20.0,
      130.0,
      220.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/subscribe 10. 0. 7712",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-6",
     "maxclass": "newobj",
     "patching_rect": [
      20.0,
      330.0,
      180.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 0,
     "text": "udpsend 127.0.0.1 7707"
    }
   },
   {
    "box": {
     "id": "obj-7",
     "maxclass": "newobj",
     "patching_rect": [
      480.0,
      70.0,
      130.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 1,
     "text": "udpreceive 7712",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-8",
     "maxclass": "newobj",
     "patching_rect": [
      480.0,
      100.0,
      460.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 5,
     "text": "route /rnnmuse/out/1/note /rnnmuse/out/2/note /rnnmuse/probe /rnnmuse/error",
     "outlettype": [
      "",
      "",
      "",
      "",
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-9",
     "maxclass": "newobj",
     "patching_rect": [
      480.0,
      140.0,
      130.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 4,
     "text": "unpack 0 0 0. 0.",
     "outlettype": [
      "",
      "",
      "",
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-10",
     "maxclass": "newobj",
     "patching_rect": [
      480.0,
      180.0,
      90.0,
      22.0
     ],
     "numinlets": 3,
     "numoutlets": 0,
     "text": "noteout 1"
    }
   },
   {
    "box": {
     "id": "obj-11",
     "maxclass": "newobj",
     "patching_rect": [
      630.0,
      140.0,
      130.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 4,
     "text": "unpack 0 0 0. 0.",
     "outlettype": [
      "",
      "",
      "",
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-12",
     "maxclass": "newobj",
     "patching_rect": [
      630.0,
      180.0,
      90.0,
      22.0
     ],
     "numinlets": 3,
     "numoutlets": 0,
     "text": "noteout 2"
    }
   },
   {
    "box": {
     "id": "obj-13",
     "maxclass": "message",
     "patching_rect": [
      800.0,
      140.0,
      170.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/probed $1 max",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-14",
     "maxclass": "newobj",
     "patching_rect": [
      800.0,
      180.0,
      100.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 0,
     "text": "print rnnmuse"
    }
   },
   {
    "box": {
     "id": "obj-15",
     "maxclass": "comment",
     "patching_rect": [
      20.0,
      170.0,
      300.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 0,
     "text": "2. click: the clock, and player 1"
    }
   },
   {
    "box": {
     "id": "obj-16",
     "maxclass": "message",
     "patching_rect": [
      20.0,
      200.0,
      200.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/transport/play 1",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-17",
     "maxclass": "message",
     "patching_rect": [
      20.0,
      226.0,
      200.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/transport/stop 1",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-18",
     "maxclass": "message",
     "patching_rect": [
      20.0,
      252.0,
      200.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/transport/tempo 96.",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-19",
     "maxclass": "message",
     "patching_rect": [
      20.0,
      278.0,
      200.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/transport/panic 1",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-20",
     "maxclass": "message",
     "patching_rect": [
      240.0,
      200.0,
      220.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/player/1/mode accompany",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-21",
     "maxclass": "message",
     "patching_rect": [
      240.0,
      226.0,
      220.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/player/1/start 1",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-22",
     "maxclass": "message",
     "patching_rect": [
      240.0,
      252.0,
      220.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/player/1/stop 1",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-23",
     "maxclass": "message",
     "patching_rect": [
      240.0,
      278.0,
      220.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/player/1/model grooves",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-24",
     "maxclass": "comment",
     "patching_rect": [
      480.0,
      220.0,
      200.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 0,
     "text": "3. play to player 1"
    }
   },
   {
    "box": {
     "id": "obj-25",
     "maxclass": "newobj",
     "patching_rect": [
      480.0,
      250.0,
      80.0,
      22.0
     ],
     "numinlets": 1,
     "numoutlets": 3,
     "text": "notein 1",
     "outlettype": [
      "",
      "",
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-26",
     "maxclass": "newobj",
     "patching_rect": [
      480.0,
      280.0,
      80.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "pack 0 0",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-27",
     "maxclass": "message",
     "patching_rect": [
      480.0,
      310.0,
      220.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/player/1/note $1 $2",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-28",
     "maxclass": "slider",
     "patching_rect": [
      720.0,
      220.0,
      20.0,
      80.0
     ],
     "numinlets": 1,
     "numoutlets": 1,
     "size": 128.0,
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-29",
     "maxclass": "newobj",
     "patching_rect": [
      720.0,
      310.0,
      60.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/ 127.",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-30",
     "maxclass": "message",
     "patching_rect": [
      720.0,
      340.0,
      260.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/player/1/norm/temperature $1",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-31",
     "maxclass": "slider",
     "patching_rect": [
      830.0,
      220.0,
      20.0,
      80.0
     ],
     "numinlets": 1,
     "numoutlets": 1,
     "size": 128.0,
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-32",
     "maxclass": "newobj",
     "patching_rect": [
      830.0,
      310.0,
      60.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/ 127.",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-33",
     "maxclass": "message",
     "patching_rect": [
      720.0,
      366.0,
      260.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/player/1/norm/density $1",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-34",
     "maxclass": "slider",
     "patching_rect": [
      940.0,
      220.0,
      20.0,
      80.0
     ],
     "numinlets": 1,
     "numoutlets": 1,
     "size": 128.0,
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-35",
     "maxclass": "newobj",
     "patching_rect": [
      940.0,
      310.0,
      60.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/ 127.",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "obj-36",
     "maxclass": "message",
     "patching_rect": [
      720.0,
      392.0,
      260.0,
      22.0
     ],
     "numinlets": 2,
     "numoutlets": 1,
     "text": "/rnnmuse/player/1/norm/velocity $1",
     "outlettype": [
      ""
     ]
    }
   }
  ],
  "lines": [
   {
    "patchline": {
     "source": [
      "obj-3",
      0
     ],
     "destination": [
      "obj-4",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-4",
      0
     ],
     "destination": [
      "obj-5",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-5",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-7",
      0
     ],
     "destination": [
      "obj-8",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-8",
      0
     ],
     "destination": [
      "obj-9",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-9",
      0
     ],
     "destination": [
      "obj-10",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-9",
      1
     ],
     "destination": [
      "obj-10",
      1
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-8",
      1
     ],
     "destination": [
      "obj-11",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-11",
      0
     ],
     "destination": [
      "obj-12",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-11",
      1
     ],
     "destination": [
      "obj-12",
      1
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-8",
      2
     ],
     "destination": [
      "obj-13",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-13",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-8",
      3
     ],
     "destination": [
      "obj-14",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-16",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-17",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-18",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-19",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-20",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-21",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-22",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-23",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-25",
      0
     ],
     "destination": [
      "obj-26",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-25",
      1
     ],
     "destination": [
      "obj-26",
      1
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-26",
      0
     ],
     "destination": [
      "obj-27",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-27",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-28",
      0
     ],
     "destination": [
      "obj-29",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-29",
      0
     ],
     "destination": [
      "obj-30",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-30",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-31",
      0
     ],
     "destination": [
      "obj-32",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-32",
      0
     ],
     "destination": [
      "obj-33",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-33",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-34",
      0
     ],
     "destination": [
      "obj-35",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-35",
      0
     ],
     "destination": [
      "obj-36",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-36",
      0
     ],
     "destination": [
      "obj-6",
      0
     ]
    }
   }
  ]
 }
}
