# Calls of HostPresets.hpp, put into the build's copy of DPF 1.6: see Makefile, which checks that each line was found.
s|^        if (v3_tuid_match(iid, v3_midi_mapping_iid))$|        if (rnnmuse::units(iid, iface)) return V3_OK; /* rnnmuse */\
&|
s|^        // int32_t unit_id;$|        info->unit_id = rnnmuse::unit_of(index); /* rnnmuse */|
s/^            info->flags = V3_PARAM_CAN_AUTOMATE | V3_PARAM_IS_LIST | V3_PARAM_PROGRAM_CHANGE | V3_PARAM_IS_HIDDEN;$/            info->flags = V3_PARAM_IS_LIST | V3_PARAM_PROGRAM_CHANGE; \/* rnnmuse *\//
s|^            strncpy_utf16(info->title, "Current Program", 128);$|            strncpy_utf16(info->title, "Preset", 128); /* rnnmuse */|
s|^    if (std::strcmp(factory_id, CLAP_PLUGIN_FACTORY_ID) == 0)$|    if (const void* const ours = rnnmuse::preset_factory(factory_id)) return ours; /* rnnmuse */\
&|
s|^    if (std::strcmp(id, CLAP_EXT_PARAMS) == 0)$|    if (const void* const ours = rnnmuse::preset_load(id)) return ours; /* rnnmuse */\
&|
s|^        DISTRHO_SAFE_ASSERT_UINT2_RETURN(rindex >= kVst3InternalParameterCount, rindex, kVst3InternalParameterCount, V3_INVALID_ARG);$|&\
        if (!fPlugin.isParameterOutputOrTrigger(rindex - kVst3InternalParameterCount)) _setNormalizedPluginParameterValue(rindex - kVst3InternalParameterCount, normalized); /* rnnmuse: without it a host's word is forgotten */|
s|^        DISTRHO_SAFE_ASSERT_RETURN(outparamsptr != nullptr,);$|        if (outparamsptr == nullptr) return; /* rnnmuse: it printed so from the audio thread */|
s|^                if (plugin.getStateHints(i) & kStateIsHostReadable)$|                if (plugin.getStateHints(j) \& kStateIsHostReadable) /* rnnmuse: i is another count */|
/^                if (obj->body.otype != fURIDs.timePosition)$/{
n
s|$|\
                rnnmuse::hear(fPlugin.getInstancePointer(), event, fURIDs); continue; /* rnnmuse: what follows reads the same, and less of it */|
}
s|^            if (event->body.type == fURIDs.atomObject \&\& fWorker != nullptr)$|            if (event->body.type == fURIDs.atomObject \&\& fWorker != nullptr \&\& ((const LV2_Atom_Object*)\&event->body)->body.otype != fURIDs.timePosition) /* rnnmuse */|
