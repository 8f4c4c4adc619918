using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet;

/// <summary>A network that several generators draw with, one at a time: the last of them to be disposed frees it.</summary>
internal sealed class SharedNetwork(ConditionalUNet network)
{
    private int _owners = 1;

    /// <summary>Held while the network is in use.</summary>
    public Lock Lock { get; } = new();

    public ConditionalUNet Network => network;

    /// <summary>This, for one more owner.</summary>
    public SharedNetwork Share()
    {
        lock (Lock) _owners++;
        return this;
    }

    /// <summary>Ends an owner's use.</summary>
    public void Release()
    {
        lock (Lock)
        {
            if (--_owners == 0) network.Dispose();
        }
    }
}
