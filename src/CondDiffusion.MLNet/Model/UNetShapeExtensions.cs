using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Model;

/// <summary>Converts the network's shape to that of its images: the network itself knows nothing of images.</summary>
internal static class UNetShapeExtensions
{
    public static ImageShape ToImageShape(this UNetShape shape) => new(shape.Channels, shape.Height, shape.Width);
}
