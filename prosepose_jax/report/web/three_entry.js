// What the report takes from three.js; `npm run build` makes three.min.js of it (docs/developing.md).
export {
  AmbientLight, BufferAttribute, BufferGeometry, Color, DirectionalLight, GridHelper, HemisphereLight, LineBasicMaterial,
  LineSegments, Mesh, MeshStandardMaterial, PerspectiveCamera, Points, PointsMaterial, Scene, Sphere, Vector3,
  WebGLRenderer, DoubleSide, SRGBColorSpace,
} from "three";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
