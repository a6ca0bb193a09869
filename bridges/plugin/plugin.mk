# What DPF's own makefile needs; called by Makefile.
NAME = rnnmuse
FILES_DSP = Plugin.cpp
ifneq ($(UI),0)
FILES_UI = Window.cpp
endif
include $(DPF_PATH)/Makefile.plugins.mk

BUILD_CXX_FLAGS += -std=gnu++17 -fvisibility=hidden -fno-fast-math -DDISTRHO_PLUGIN_HAS_UI=$(UI)
# each format's own source hears more of the host's time than DPF hands on
$(BUILD_DIR)/DistrhoPluginMain_LV2.cpp.o: BUILD_CXX_FLAGS += -DDISTRHO_PLUGIN_TARGET_LV2 -include HostTime.hpp
$(BUILD_DIR)/DistrhoPluginMain_VST3.cpp.o: BUILD_CXX_FLAGS += -DDISTRHO_PLUGIN_TARGET_VST3 -include HostTime.hpp
$(BUILD_DIR)/DistrhoPluginMain_CLAP.cpp.o: BUILD_CXX_FLAGS += -DDISTRHO_PLUGIN_TARGET_CLAP -include HostTime.hpp
