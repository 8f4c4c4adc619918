using System.ComponentModel;
using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Tests.Network;

[TestClass]
public sealed class TorchErrorsTests
{
    /// <summary>The messages are libtorch's, of its allocators for CPUs and GPUs.</summary>
    [TestMethod]
    [DataRow("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you", true)]
    [DataRow("DefaultCPUAllocator: not enough memory: you tried to allocate 4000000000 bytes.", true)]
    [DataRow("CUDA out of memory. Tried to allocate 2.00 GiB.", true)]
    [DataRow("CUDA error: out of memory", true)]
    [DataRow("The size of tensor a (3) must match the size of tensor b (4)", false)]
    public void IsOutOfMemory_MessagesOfLibtorch_AreToldApart(string message, bool expected) =>
        Assert.AreEqual(expected, TorchErrors.IsOutOfMemory(new Win32Exception(0, message)));
}
